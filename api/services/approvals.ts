import { sql } from 'kysely';
import { derivedId } from '../../db/ids.js';
import { scoped } from '../../db/scoped.js';
import { insertWait } from '../../db/waits.js';
import { findWorkspace } from '../../db/workspaces.js';
import type { Database } from '../../db/client.js';
import { visitKey, waitToken } from '../../workflows/contract/ids.js';
import { compileApproval, APPROVAL_NODE } from '../../workflows/definition/approval.js';
import type { Plan } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';
import { ApiError } from '../http/errors.js';
import type { Actor } from '../actor.js';
import type { AuditService } from './audit.js';
import { identitiesOf } from './caller.js';
import type { RunService } from './runs.js';

export interface NewApproval {
  readonly action: string;
  readonly reason: string | null;
  readonly context: Json;
  readonly options: Json;
  readonly taskId: string | null;
  readonly expiresInSeconds: number | null;
}

export interface ApprovalView {
  readonly id: string;
  readonly workspace_id: string;
  readonly run_id: string;
  readonly task_id: string | null;
  readonly action: string;
  readonly reason: string | null;
  readonly assignee: string | null;
  readonly context: Json;
  readonly options: Json;
  readonly status: 'pending' | 'approved' | 'denied';
  readonly decided_by: string | null;
  readonly decided_at: Date | null;
  readonly note: string | null;
  readonly expires_at: Date | null;
  readonly created_at: Date;
}

export interface DecideApproval {
  readonly actor: Actor;
  readonly approvalId: string;
  readonly decision: 'approve' | 'reject';
  readonly by: string;
  readonly note: string | null;
  readonly seed: string;
}

export interface ApprovalService {
  /** A free-standing request: a run of one wait. */
  readonly create: (actor: Actor, seed: string, approval: NewApproval) => Promise<{ readonly id: string }>;
  /** The newest 50. */
  readonly list: (workspaceId: string) => Promise<readonly ApprovalView[]>;
  readonly pending: (actor: Actor) => Promise<readonly (ApprovalView & { readonly workspace_name: string })[]>;
  /** 404 for an unknown approval and for one already decided. */
  readonly decide: (decide: DecideApproval) => Promise<void>;
}

export interface ApprovalDeps {
  readonly db: Database;
  readonly runs: RunService;
  readonly audit: AuditService;
}

const NEWEST = 50;

/** An approval is a wait for a decision; what else its row holds is for the runs API. */
const columns = [
  'id',
  'workspace_id',
  'run_id',
  'task_id',
  'action',
  'reason',
  'assignee',
  'context',
  'options',
  'status',
  'decided_by',
  'decided_at',
  'note',
  'expires_at',
  'created_at',
] as const;

export function createApprovalService(deps: ApprovalDeps): ApprovalService {
  const { db } = deps;
  return {
    create: (actor, seed, approval) => createApproval(deps, { actor, seed, approval }),
    list: async (workspaceId) =>
      scoped(db, workspaceId)
        .select('waits')
        .select([...columns])
        .where('kind', '=', 'decision')
        .$narrowType<{ status: ApprovalView['status'] }>()
        .orderBy('created_at', 'desc')
        .limit(NEWEST)
        .execute(),
    pending: (actor) => pendingFor(db, actor),
    decide: (decide) => decideApproval(deps, decide),
  };
}

interface Creation {
  readonly actor: Actor;
  readonly seed: string;
  readonly approval: NewApproval;
}

async function createApproval(
  deps: ApprovalDeps,
  { actor, seed, approval }: Creation,
): Promise<{ readonly id: string }> {
  const { workspaceId } = actor;
  const run = { workspaceId, runId: derivedId('run', seed) };
  const place = { nodeId: APPROVAL_NODE, visit: 1, scope: '' };
  const key = visitKey(place);
  const id = waitToken(run.runId, key);
  const { action, reason, context, options, taskId, expiresInSeconds: seconds } = approval;
  const shown = { prompt: action, reason, context, options, taskId };
  await deps.runs.start({
    workspaceId,
    definition: null,
    kind: 'approval',
    plan: planOf(approval),
    input: context,
    trigger: 'approval',
    actor: actor.id,
    seed,
    alongside: async (db) => {
      const expiresAt = seconds === null ? null : Date.now() + seconds * 1_000;
      await insertWait(db, { ...place, ...shown, token: id, key, run, kind: 'decision', expiresAt });
    },
  });
  await announceRequest(deps, actor, { id, action: approval.action, reason: approval.reason });
  return { id };
}

/** The row of the wait is there before the run comes to it, so that its texts are shown as they are, not as templates. */
const planOf = ({ action, reason, expiresInSeconds: seconds }: NewApproval): Plan =>
  compileApproval({
    prompt: action,
    ...(reason === null ? {} : { reason }),
    ...(seconds === null ? {} : { timeout_seconds: seconds }),
    quorum: 1,
    rejections: 1,
    forbid_own: false,
    reminders: [],
    escalation: [],
    on_expire: 'expire',
  });

/** A parent workspace learns of what its children ask. */
async function announceRequest(
  { db, audit }: ApprovalDeps,
  actor: Actor,
  asked: { readonly id: string; readonly action: string; readonly reason: string | null },
): Promise<void> {
  const entry = {
    actorType: actor.type,
    actorId: actor.id,
    entityType: 'approval',
    entityId: asked.id,
    requestId: null,
  };
  const details = { action: asked.action, reason: asked.reason };
  const requested = { ...entry, action: 'APPROVAL_REQUESTED', metadata: details };
  await audit.record({ ...requested, workspaceId: actor.workspaceId, after: { ...details, status: 'pending' } });
  const workspace = await findWorkspace(db, actor.workspaceId);
  if (workspace?.parent_id === undefined || workspace.parent_id === null) return;
  const metadata = { ...details, id: asked.id, approval_id: asked.id, from_workspace_id: actor.workspaceId };
  await audit.record({ ...entry, workspaceId: workspace.parent_id, action: 'APPROVAL_ESCALATED', metadata });
}

/** The workspaces an actor sees are its own and all below them. */
async function pendingFor(
  db: Database,
  actor: Actor,
): Promise<readonly (ApprovalView & { readonly workspace_name: string })[]> {
  const roots =
    actor.type === 'user'
      ? sql`select workspace_id as id from memberships where user_id = ${actor.id}`
      : sql`select id from workspaces where id = ${actor.workspaceId} or (${actor.type === 'admin'} and parent_id is null)`;
  const { rows } = await sql<ApprovalView & { readonly workspace_name: string }>`
    with recursive visible as (
      ${roots}
      union
      select child.id from workspaces child join visible on child.parent_id = visible.id
    )
    select ${sql.join(columns.map((column) => sql.ref(`waits.${column}`)))}, workspaces.name as workspace_name
    from waits join workspaces on workspaces.id = waits.workspace_id
    where waits.status = 'pending' and waits.kind = 'decision' and workspaces.deleted_at is null
      and waits.workspace_id in (select id from visible)
    order by waits.created_at desc limit 500`.execute(db);
  return rows;
}

/** Who decides matters to it: then a name of the caller's choice will not do. */
const countsPeople = (wait: { audience: unknown; quorum: number; rejections: number; forbid_own: boolean }): boolean =>
  wait.audience !== null || wait.quorum > 1 || wait.rejections > 1 || wait.forbid_own;

async function decideApproval({ db, runs, audit }: ApprovalDeps, decide: DecideApproval): Promise<void> {
  const { actor, approvalId, decision, note, seed } = decide;
  const { workspaceId } = actor;
  const gone = new ApiError(404, 'approval not found or already decided');
  const approval = await scoped(db, workspaceId).get('waits', approvalId);
  if (approval?.kind !== 'decision') throw gone;
  const run = { workspaceId, runId: approval.run_id };
  const by = countsPeople(approval) ? actor.id : decide.by;
  const as = await identitiesOf(db, actor);
  const result = await runs.decide({ run, token: approvalId, decision, input: undefined, note, by, as, seed });
  if (result === 'settled') throw gone;
  const status = decision === 'approve' ? 'approved' : 'denied';
  await audit.record({
    workspaceId,
    actorType: 'approver',
    actorId: by,
    action: decision === 'approve' ? 'APPROVAL_APPROVED' : 'APPROVAL_DENIED',
    entityType: 'approval',
    entityId: approvalId,
    metadata: { approval_id: approvalId, decision: status, decided_by: by },
    before: { action: approval.action, status: approval.status },
    after: { action: approval.action, status, decided_by: by, note },
    requestId: null,
  });
}
