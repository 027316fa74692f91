import { sql } from 'kysely';
import type { RunRef } from '../workflows/contract/run.js';
import type { Plan } from '../workflows/definition/plan.js';
import type { Json, Value } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { selectReuse, type PastStep } from './reuse-selection.js';
import type { ReuseRow } from './runs.js';
import { scoped } from './scoped.js';
import { loadValue, storeValues } from './values.js';

export interface ReuseRequest {
  readonly workspaceId: string;
  /** The run to go on from. */
  readonly runId: string;
  /** Key of a visit (`charge/1`), or a node's id for its newest visit. */
  readonly from: string;
  /** Of the version that goes on. */
  readonly plan: Plan;
  /** The run that is to have the results: stored copies are then its own. */
  readonly newRunId?: string;
}

export type ReuseProblem = 'run_unknown' | 'run_open' | 'step_unknown';

export type Reuse =
  | { readonly reuse: readonly ReuseRow[]; /** Key of the visit it goes on from. */ readonly from: string }
  | { readonly problem: ReuseProblem; readonly message: string };

/** Results are loaded all together when the run starts, so each may be no more than this inline. */
const INLINE_BYTES = 4 * 1024;
const OPEN = new Set(['queued', 'running', 'waiting', 'paused']);

/** What an ended run has done that need not be done again when it is continued from a step. */
export async function reuseFrom(db: Database, request: ReuseRequest): Promise<Reuse> {
  const { workspaceId, runId, from, plan, newRunId = runId } = request;
  const run = await scoped(db, workspaceId).get('runs', runId);
  if (run === undefined) return { problem: 'run_unknown', message: `There is no run ${runId}.` };
  if (OPEN.has(run.status)) {
    const message = `The run is ${run.status}; cancel it, or wait for its end, before you continue it.`;
    return { problem: 'run_open', message };
  }
  const steps = await pastSteps(db, runId, plan);
  const start = findStep(steps, from);
  if (start === undefined) {
    const message = `from: the run has no step "${from}"; name a node it came to, or the key of a step such as "charge/1".`;
    return { problem: 'step_unknown', message };
  }
  const keys = selectReuse(plan, steps, start);
  return { reuse: await resultsOf(db, { workspaceId, runId, newRunId }, keys), from: start.key };
}

/** By its key, or the newest of a node. */
const findStep = (steps: readonly PastStep[], from: string): PastStep | undefined =>
  steps.find(({ key }) => key === from) ?? steps.findLast(({ nodeId }) => nodeId === from);

/** Values are fetched only of nodes that undo or are undone: what was taken back is found by them. */
async function pastSteps(db: Database, runId: string, plan: Plan): Promise<readonly PastStep[]> {
  const pairs = Object.values(plan.nodes).flatMap(({ id, undo }) => (undo === undefined ? [] : [id, undo]));
  const isPaired = sql`node_id = any(${pairs}::text[])`;
  return db
    .selectFrom('run_steps')
    .select(['key', 'scope', 'node_id as nodeId', 'visit', 'seq', 'status'])
    .select([
      sql<Value | null>`case when ${isPaired} then input end`.as('input'),
      sql<Value | null>`case when ${isPaired} then output end`.as('output'),
    ])
    .where('run_id', '=', runId)
    .orderBy('seq')
    .orderBy('key')
    .execute();
}

const AT_A_TIME = 500;

interface Runs extends RunRef {
  readonly newRunId: string;
}

async function resultsOf(db: Database, runs: Runs, keys: readonly string[]): Promise<readonly ReuseRow[]> {
  const found: ReuseRow[] = [];
  for (let at = 0; at < keys.length; at += AT_A_TIME) {
    const rows = await db
      .selectFrom('run_steps')
      .select(['key', 'output', 'port', 'vars'])
      .where('run_id', '=', runs.runId)
      .where('key', 'in', keys.slice(at, at + AT_A_TIME))
      .where('output', 'is not', null)
      .orderBy('seq')
      .execute();
    found.push(...(await compactRows(db, runs, rows)));
  }
  return found;
}

type Row = Pick<ReuseRow, 'key'> & {
  readonly output: Value | null;
  readonly port: ReuseRow['port'] | null;
  readonly vars: Readonly<Record<string, Value>> | null;
};

async function compactRows(db: Database, runs: Runs, rows: readonly Row[]): Promise<readonly ReuseRow[]> {
  const compact: ReuseRow[] = [];
  for (const { key, output, port, vars } of rows) {
    if (output === null) continue;
    const small = await compactValue(db, runs, output);
    const entries = Object.entries(vars ?? {}).map(
      async ([name, value]) => [name, await compactValue(db, runs, value)] as const,
    );
    const kept = vars === null ? {} : { vars: Object.fromEntries(await Promise.all(entries)) };
    compact.push({ key, output: small, port: port ?? 'out', ...kept });
  }
  return compact;
}

/** A value of no more than a few KiB, whole or by reference. */
async function compactValue(db: Database, { workspaceId, newRunId }: Runs, value: Value): Promise<Value> {
  if ('ref' in value || Buffer.byteLength(JSON.stringify(value)) <= INLINE_BYTES) return value;
  const jsons: readonly Json[] = [await loadValue(db, workspaceId, value)];
  const limits = { limitBytes: INLINE_BYTES, totalBytes: INLINE_BYTES };
  const [stored] = await storeValues(db, { workspaceId, runId: newRunId }, { jsons, ...limits });
  return stored ?? value;
}
