import { createHash } from 'node:crypto';
import { callWorkflow, insertCall, type NewCall } from '../../../db/calls.js';
import { ensureVersion } from '../../../db/definitions.js';
import type { CallStatus } from '../../../db/tables/calls.js';
import type { RunRef } from '../../../workflows/contract/run.js';
import type { Plan } from '../../../workflows/definition/plan.js';
import type { Json } from '../../../workflows/definition/values.js';
import type { Actor } from '../../actor.js';
import { conflict, invalid, notFound, type ErrorDetail } from '../../http/errors.js';
import type { TokenSigner } from '../access-tokens.js';
import { runTags } from '../caller.js';
import { compileContext, type ContextDeps } from '../compile-context.js';
import { compileDocument, isBlocker } from '../documents.js';
import { actingWorkspace } from '../acting-workspace.js';
import type { RunService } from '../runs.js';
import { holdToCap } from '../session-cap.js';

type JsonObject = Readonly<Record<string, Json>>;

export interface StartCall {
  readonly workflow_slug: string;
  readonly user_id?: string | undefined;
  readonly call_type: 'voip' | 'sip';
  readonly phone_number?: string | undefined;
  readonly user_context: JsonObject;
  readonly metadata: JsonObject;
}

export interface StartedCall {
  readonly call_id: string;
  readonly room_name: string;
  /** Where its sockets are. */
  readonly url: string;
  /** What lets into it. */
  readonly token: string;
  readonly status: CallStatus;
}

export interface CallStartDeps extends ContextDeps {
  readonly runs: Pick<RunService, 'start'>;
  readonly signer: Pick<TokenSigner, 'signJoin'>;
  readonly socketUrl: string;
}

/** What starts the runs of calls; the triggers that keep `calls` look at no other. */
const CALL_TRIGGER = 'call';

export async function startCall(
  deps: CallStartDeps,
  actor: Actor,
  { call, seed }: { readonly call: StartCall; readonly seed: string },
): Promise<StartedCall> {
  checkCall(call);
  const workspaceId = actingWorkspace(actor);
  const workflow = await callWorkflow(deps.db, workspaceId, call.workflow_slug);
  if (workflow === undefined) throw notFound('active workflow', call.workflow_slug);
  const { id: definitionId, document } = workflow;
  const plan = await currentPlan(deps, { workspaceId, workflow });
  await holdToCap(deps.db, { workspaceId, definitionId });
  const versionId = await ensureVersion(deps.db, { workspaceId, definitionId, document, plan });
  const roomName = `call-${uuidOf(seed)}`;
  const row = rowOf(call, { definitionId, roomName, isLive: actor.isLive });
  const run = await deps.runs.start({
    ...{ workspaceId, kind: 'agent_dag', plan, seed, trigger: CALL_TRIGGER, actor: actor.id },
    definition: { id: definitionId, versionId },
    input: { user: call.user_context, context: {}, flags: {}, agent_context: {}, metadata: call.metadata },
    isConversation: true,
    tags: runTags(actor),
    alongside: (trx, ref) => insertCall(trx, ref, row),
  });
  return presentStart(deps, { run, roomName, tenantId: actor.tenantId });
}

async function presentStart(
  { signer, socketUrl }: CallStartDeps,
  { run, roomName, tenantId }: { readonly run: RunRef; readonly roomName: string; readonly tenantId: string },
): Promise<StartedCall> {
  const { runId: callId, workspaceId } = run;
  const token = await signer.signJoin({ callId, roomName, workspaceId, tenantId });
  return { call_id: callId, room_name: roomName, url: socketUrl, token, status: 'pending' };
}

const rowOf = (call: StartCall, of: Pick<NewCall, 'definitionId' | 'roomName' | 'isLive'>): NewCall => ({
  ...of,
  workflowSlug: call.workflow_slug,
  userId: call.user_id ?? null,
  callType: call.call_type,
  phoneNumber: call.phone_number ?? null,
  direction: 'outbound',
  userContext: call.user_context,
  metadata: call.metadata,
});

/** The published document with its agents and tools as they are now: what was changed since counts from the next call on. */
async function currentPlan(
  deps: CallStartDeps,
  of: {
    readonly workspaceId: string;
    readonly workflow: { readonly id: string; readonly name: string; readonly document: Json };
  },
): Promise<Plan> {
  const { workspaceId, workflow } = of;
  const { id: ownId, name, document } = workflow;
  const context = await compileContext(deps, { workspaceId, ownId, kind: 'agent_dag', document });
  const { plan, problems } = compileDocument('agent_dag', document, context);
  const blockers = problems.filter(isBlocker);
  if (plan !== null && blockers.length === 0) return plan;
  const sentences = blockers.map(({ message }) => message).join(' ');
  throw conflict(`"${name}" can take no calls until it is mended: ${sentences}`, { blockers });
}

const USER_CONTEXT_BYTES = 32 * 1024;
const METADATA_BYTES = 16 * 1024;

/** All of it travels with the call, so that it stays small. */
function checkCall(call: StartCall): void {
  const { call_type: type, phone_number: phone, user_context: userContext, metadata } = call;
  const details: readonly ErrorDetail[] = [
    ...(type === 'sip' && phone === undefined
      ? [{ field: 'phone_number', message: 'is needed when call_type is sip: give it as +14155550123' }]
      : []),
    ...tooLarge('user_context', userContext, USER_CONTEXT_BYTES),
    ...tooLarge('metadata', metadata, METADATA_BYTES),
  ];
  if (details.length > 0) throw invalid(details);
}

function tooLarge(field: string, value: JsonObject, limit: number): readonly ErrorDetail[] {
  const bytes = Buffer.byteLength(JSON.stringify(value));
  return bytes <= limit ? [] : [{ field, message: `must be at most ${limit} bytes of JSON; it is ${bytes}` }];
}

/** The same for the same request. */
function uuidOf(seed: string): string {
  const bytes = createHash('sha256').update(`room:${seed}`).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
