import type { MockActivityEnvironment } from '@temporalio/testing';
import type { NodeAnswer, NodeContext, NodeRunners } from '../../activities/nodes/runner.js';
import { createSegmentActivities } from '../../activities/segment.js';
import type { Database } from '../../db/client.js';
import { derivedId, newSeed } from '../../db/ids.js';
import { insertRun } from '../../db/runs.js';
import type { ActivityKind, RunSegmentInput, SegmentResult } from '../../workflows/contract/activities.js';
import type { Flush, RunRef } from '../../workflows/contract/run.js';
import type { NodeOf } from '../../workflows/definition/plan.js';
import { inline, type Json } from '../../workflows/definition/values.js';
import { testDatabase } from '../support/database.js';
import { agent, linePlan } from '../support/plans.js';
import { quietEnvironment } from './stage.js';

/** The real segment with its records, and nodes that do what a test says. */
export interface SegmentStage {
  readonly db: Database;
  run: RunRef;
  /** Idempotency keys of what was executed. */
  calls: string[];
  behave: (context: NodeContext<ActivityKind>) => Promise<Json>;
  /** What the nodes answer besides their output. */
  adds: Omit<NodeAnswer, 'output'>;
  readonly fresh: () => Promise<void>;
  readonly close: () => Promise<void>;
  readonly inputOf: (ids: readonly string[], more?: Partial<RunSegmentInput>) => RunSegmentInput;
  readonly segment: (input: RunSegmentInput, environment?: MockActivityEnvironment) => Promise<SegmentResult>;
  readonly stepOf: (id: string) => ReturnType<typeof findStep>;
  readonly row: () => ReturnType<typeof findRun>;
}

export const flush: Flush = { steps: [], settlements: [], status: 'running', seq: 1, taken: null };

const findStep = (db: Database, { runId }: RunRef, id: string) =>
  db.selectFrom('run_steps').selectAll().where('run_id', '=', runId).where('node_id', '=', id).executeTakeFirst();
const findRun = (db: Database, { runId }: RunRef) =>
  db.selectFrom('runs').selectAll().where('id', '=', runId).executeTakeFirstOrThrow();

const secret = (_workspace: string, name: string): Promise<string> => Promise.resolve(`value-of-${name}`);
const EVERY_KIND = [
  'agent',
  'assistant',
  'webhook',
  'notify',
  'instruction_agent',
  'llm',
  'knowledge',
  'http',
  'tool',
  'code',
  'email',
  'channel_send',
];

export async function openSegments(): Promise<SegmentStage> {
  const { db, close } = await testDatabase();
  await db.insertInto('tenants').values({ id: 'ten_1', name: 'T', slug: 't' }).execute();
  await db
    .insertInto('workspaces')
    .values({ id: 'ws_1', tenant_id: 'ten_1', parent_id: null, slug: 'w', name: 'W', settings: '{}', deleted_at: null })
    .execute();
  const note = async (context: NodeContext<ActivityKind>): Promise<NodeAnswer> => {
    stage.calls.push(context.idempotencyKey);
    return { output: await stage.behave(context), ...stage.adds };
  };
  // -- reason: one runner for every kind
  const runners = Object.fromEntries(EVERY_KIND.map((kind) => [kind, note])) as unknown as NodeRunners;
  const activities = createSegmentActivities({ db, runners, secret, warn: () => undefined });
  const stage: SegmentStage = {
    db,
    close,
    run: { workspaceId: 'ws_1', runId: '' },
    calls: [],
    behave: () => Promise.resolve(null),
    adds: {},
    fresh: () => prepare(stage),
    inputOf: (ids, more = {}) => ({ ...inputOf(stage.run, ids), ...more }),
    segment: (input, environment = quietEnvironment()) => environment.run(activities.runSegment, input),
    stepOf: (id) => findStep(db, stage.run, id),
    row: () => findRun(db, stage.run),
  };
  return stage;
}

async function prepare(stage: SegmentStage): Promise<void> {
  stage.calls = [];
  stage.behave = ({ node }) => Promise.resolve(`${node.id} done`);
  stage.adds = {};
  stage.run = { workspaceId: 'ws_1', runId: derivedId('run', newSeed()) };
  const row = { definition: null, kind: 'test', input: inline('in'), trigger: 'test', actor: 'test' };
  await insertRun(stage.db, { ...row, run: stage.run, plan: linePlan(agent('a'), agent('b')) });
}

const inputOf = (run: RunRef, ids: readonly string[]): RunSegmentInput => ({
  run,
  steps: ids.map((id, index) => ({
    // -- reason: `agent` makes nodes of an activity's kind
    node: agent(id, { action: 'fail' }, { maxAttempts: 2, backoffMs: 10 }) as NodeOf<ActivityKind>,
    nodeId: id,
    key: `${id}/1`,
    scope: '',
    visit: 1,
    round: 0,
    isUndone: false,
    seq: 10 + index,
  })),
  input: inline('in'),
  scope: { run: { id: run.runId, input: null }, vars: {}, steps: {}, item: null, index: null, message: null },
  flush,
  inlineLimitBytes: 1_000,
  finishes: false,
});
