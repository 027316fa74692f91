import type { Database } from '../../db/client.js';
import { scoped } from '../../db/scoped.js';
import { openWaits, type WaitView } from '../../db/waits.js';
import type { NodeError } from '../../workflows/contract/failures.js';
import { visitKey } from '../../workflows/contract/ids.js';
import { ENGINE_QUEUE } from '../../workflows/contract/queues.js';
import type { RunRef, RunStatus } from '../../workflows/contract/run.js';
import type { Plan } from '../../workflows/definition/plan.js';
import { notFound } from '../http/errors.js';
import type { RunDescription, RunInspector } from '../temporal/run-inspector.js';
import { stepsWith } from './run-steps.js';
import { hasEnded, openStepStatuses, type StepItem } from './run-view.js';

export interface ExplainDeps {
  readonly db: Database;
  readonly temporal: RunInspector;
}

export interface RunFacts {
  readonly id: string;
  readonly status: RunStatus;
  readonly error: NodeError | null;
  readonly created_at: Date;
  readonly started_at: Date | null;
  readonly ended_at: Date | null;
  readonly cancel_requested_at: Date | null;
  readonly parent_run_id: string | null;
}

export interface EventWait {
  readonly token: string;
  readonly event_name: string | null;
  readonly event_key: string | null;
}

export type TemporalFacts =
  | { readonly isAway: true; readonly reason: string }
  | { readonly isAway: false; readonly description: RunDescription | null; readonly pollers: number };

/** Everything that says why a run is where it is, read at one time. */
export interface Facts {
  readonly now: Date;
  readonly run: RunFacts;
  readonly plan: Plan | null;
  readonly waits: readonly WaitView[];
  readonly events: readonly EventWait[];
  readonly openSteps: readonly StepItem[];
  /** The newest that failed, of a run that did. */
  readonly failedStep: StepItem | null;
  readonly children: readonly { readonly id: string; readonly parent_key: string | null }[];
  /** Null for a run that has ended: nothing there could say more. */
  readonly temporal: TemporalFacts | null;
  /** When waits for a time end, by the key of their step; those that only the run knows. */
  readonly deadlines: Readonly<Record<string, Date>>;
}

/** Open steps and waits that are looked at; a map may have very many alike. */
const MOST = 100;

export async function gatherFacts(deps: ExplainDeps, run: RunRef): Promise<Facts> {
  const first = await readRun(deps.db, run);
  const temporal = hasEnded(first.status) ? null : await askTemporal(deps.temporal, run);
  // what Temporal says is newer than the row that was read before it
  const row = temporal === null ? first : await readRun(deps.db, run);
  const openSteps = await stepsWith(deps.db, run, { statuses: openStepStatuses, limit: MOST });
  const plan = await planOf(deps.db, run);
  return {
    now: new Date(),
    run: row,
    plan,
    waits: await openWaits(deps.db, run),
    events: await eventWaits(deps.db, run),
    openSteps,
    failedStep: row.status === 'failed' ? await failedStep(deps.db, run, row.error) : null,
    children: await openChildren(deps.db, run),
    temporal,
    deadlines: openSteps.some((step) => isTimed(plan, step)) ? await deadlinesOf(deps.temporal, run, temporal) : {},
  };
}

async function readRun(db: Database, { workspaceId, runId }: RunRef): Promise<RunFacts> {
  const row = await scoped(db, workspaceId)
    .select('runs')
    .select(['id', 'status', 'error', 'created_at', 'started_at', 'ended_at', 'cancel_requested_at', 'parent_run_id'])
    .where('id', '=', runId)
    .executeTakeFirst();
  if (row === undefined) throw notFound('run', runId);
  return row;
}

async function planOf(db: Database, { workspaceId, runId }: RunRef): Promise<Plan | null> {
  const row = await scoped(db, workspaceId)
    .select('runs')
    .leftJoin('versions', 'versions.id', 'runs.version_id')
    .select(['runs.plan', 'versions.plan as version_plan'])
    .where('runs.id', '=', runId)
    .executeTakeFirst();
  return row?.plan ?? row?.version_plan ?? null;
}

const eventWaits = (db: Database, { workspaceId, runId }: RunRef): Promise<readonly EventWait[]> =>
  scoped(db, workspaceId)
    .select('waits')
    .select(['id as token', 'event_name', 'event_key'])
    .where('run_id', '=', runId)
    .where('status', '=', 'pending')
    .where('kind', '=', 'event')
    .execute();

/** The one its error names, else the newest. */
async function failedStep(db: Database, run: RunRef, error: NodeError | null): Promise<StepItem | null> {
  const steps = await stepsWith(db, run, { statuses: ['failed'], limit: MOST });
  return steps.findLast((step) => step.node_id === error?.node_id) ?? steps.at(-1) ?? null;
}

const openChildren = (db: Database, { workspaceId, runId }: RunRef): Promise<Facts['children']> =>
  scoped(db, workspaceId)
    .select('runs')
    .select(['id', 'parent_key'])
    .where('parent_run_id', '=', runId)
    .where('status', 'in', ['queued', 'running', 'waiting', 'paused'])
    .orderBy('id')
    .limit(MOST)
    .execute();

async function askTemporal(temporal: RunInspector, run: RunRef): Promise<TemporalFacts> {
  try {
    const [description, pollers] = await Promise.all([temporal.describeRun(run), temporal.pollers(ENGINE_QUEUE)]);
    return { isAway: false, description, pollers };
  } catch (error) {
    return { isAway: true, reason: error instanceof Error ? error.message : String(error) };
  }
}

/** The read model has no row of a wait for a time, so the run itself is asked, if a worker is there to answer. */
async function deadlinesOf(
  inspector: RunInspector,
  run: RunRef,
  temporal: TemporalFacts | null,
): Promise<Facts['deadlines']> {
  if (temporal === null || temporal.isAway || temporal.pollers === 0) return {};
  try {
    const waits = await inspector.waitsInRun(run);
    return Object.fromEntries(
      waits.flatMap((wait) => (wait.deadline === null ? [] : [[visitKey(wait), new Date(wait.deadline)] as const])),
    );
  } catch {
    return {};
  }
}

/** A step's kind is its author's word; the plan knows what it is. */
export const kindOf = (plan: Plan | null, { node_id: nodeId, kind }: StepItem): string =>
  plan?.nodes[nodeId]?.kind ?? kind;

export const isTimed = (plan: Plan | null, step: StepItem): boolean =>
  step.status === 'waiting' && ['delay', 'until'].includes(kindOf(plan, step));
