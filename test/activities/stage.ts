import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createNodeRunners, type NodeDeps } from '../../activities/nodes/runner.js';
import { createSegmentActivities } from '../../activities/segment.js';
import type { Database } from '../../db/client.js';
import { derivedId, newSeed } from '../../db/ids.js';
import { insertRun } from '../../db/runs.js';
import { findWorkspaceTool } from '../../db/workspace-tools.js';
import type { ActivityKind, RunSegmentInput, SegmentResult, SegmentStep } from '../../workflows/contract/activities.js';
import { effectKey } from '../../workflows/contract/ids.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { defaultPolicy, type NodeConfigs, type NodeOf, type NodePolicy } from '../../workflows/definition/plan.js';
import { inline, textOf, type Json } from '../../workflows/definition/values.js';
import { testDatabase } from '../support/database.js';
import { agent, linePlan } from '../support/plans.js';
import { buildDeps } from './peers.js';

export type NodeConfigOf<K extends ActivityKind> = Partial<NodeConfigs[K]>;

export interface NodeRun<K extends ActivityKind> {
  readonly kind: K;
  readonly config: NodeConfigOf<K>;
  readonly input?: Json;
  readonly scope?: Partial<RunSegmentInput['scope']>;
  readonly step?: Partial<SegmentStep>;
  readonly policy?: Partial<NodePolicy>;
  readonly deps?: Partial<NodeDeps>;
}

export interface Stage {
  readonly db: Database;
  readonly run: () => RunRef;
  readonly close: () => Promise<void>;
  /** A run of its own for the next test. */
  readonly fresh: () => Promise<void>;
  /** Goes on with an earlier one. */
  readonly back: (to: RunRef) => void;
  /** One attempt of one node, `n`, through the real segment, its records and its ledger. */
  readonly attempt: <K extends ActivityKind>(
    of: NodeRun<K>,
    environment?: MockActivityEnvironment,
  ) => Promise<SegmentResult>;
  /** The failure that attempt ends with. */
  readonly failure: <K extends ActivityKind>(of: NodeRun<K>) => Promise<unknown>;
  readonly effects: () => Promise<readonly Effect[]>;
  readonly step: () => Promise<Step>;
  readonly events: (type: string) => Promise<readonly Readonly<Record<string, Json>>[]>;
}

type Effect = Awaited<ReturnType<typeof effectsOf>>[number];
type Step = Awaited<ReturnType<typeof stepOf>>;

const secrets: Readonly<Record<string, string>> = { KEY: 'secret-value-1' };

export const quietEnvironment = (): MockActivityEnvironment =>
  new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });

const effectsOf = (db: Database, { runId }: RunRef) =>
  db.selectFrom('effects').selectAll().where('run_id', '=', runId).orderBy('key').execute();

const stepOf = (db: Database, { runId }: RunRef) =>
  db.selectFrom('run_steps').selectAll().where('run_id', '=', runId).executeTakeFirstOrThrow();

/** The key of the one node's one visit. */
export const keyOf = (run: RunRef): string => effectKey(run.runId, 'n/1');

export async function openStage(): Promise<Stage> {
  const { db, close } = await testDatabase();
  await db.insertInto('tenants').values({ id: 'ten_1', name: 'T', slug: 't' }).execute();
  for (const id of ['ws_1', 'ws_2'])
    await db
      .insertInto('workspaces')
      .values({ id, tenant_id: 'ten_1', parent_id: null, slug: id, name: id, settings: '{}', deleted_at: null })
      .execute();
  let run: RunRef = { workspaceId: 'ws_1', runId: '' };
  const attempt: Stage['attempt'] = (of, environment = quietEnvironment()) =>
    environment.run(segmentOf(db, of.deps).runSegment, inputOf(run, of));
  return {
    db,
    run: () => run,
    close,
    attempt,
    failure: (of) =>
      attempt(of).then(
        (value) => new Error(`answered ${JSON.stringify(value)}`),
        (error: unknown) => error,
      ),
    fresh: async () => {
      run = { workspaceId: 'ws_1', runId: derivedId('run', newSeed()) };
      const row = { definition: null, kind: 'test', input: inline('in'), trigger: 'test', actor: 'test' };
      await insertRun(db, { ...row, run, plan: linePlan(agent('n')) });
    },
    back: (to) => {
      run = to;
    },
    effects: () => effectsOf(db, run),
    step: () => stepOf(db, run),
    events: async (type) => {
      const query = db.selectFrom('run_events').select('data').where('run_id', '=', run.runId).where('type', '=', type);
      return (await query.orderBy('seq').execute()).map(({ data }) => data);
    },
  };
}

const segmentOf = (db: Database, deps: Partial<NodeDeps> = {}) =>
  createSegmentActivities({
    db,
    runners: createNodeRunners(
      buildDeps({ tool: (workspaceId, name) => findWorkspaceTool(db, workspaceId, name), ...deps }),
    ),
    secret: (_workspace, name) => Promise.resolve(secrets[name] ?? ''),
    warn: (_fields, message) => {
      throw new Error(message);
    },
  });

function inputOf<K extends ActivityKind>(run: RunRef, of: NodeRun<K>): RunSegmentInput {
  const policy = { ...defaultPolicy, maxAttempts: 3, backoffMs: 10, ...of.policy };
  const node = { id: 'n', kind: of.kind, label: 'N', dialectKind: of.kind, policy, config: of.config };
  const scope = {
    run: { id: run.runId, input: inline('in') },
    vars: {},
    steps: {},
    item: null,
    index: null,
    message: null,
  };
  return {
    run,
    steps: [
      {
        // -- reason: kind and config are correlated by K
        node: node as unknown as NodeOf<ActivityKind>,
        nodeId: 'n',
        key: 'n/1',
        scope: '',
        visit: 1,
        round: 0,
        isUndone: false,
        seq: 10,
        ...of.step,
      },
    ],
    input: inline(of.input ?? { id: 7, text: 'hello' }),
    scope: { ...scope, ...of.scope },
    flush: { steps: [], settlements: [], status: 'running', seq: 1, taken: null },
    inlineLimitBytes: 60_000,
    finishes: false,
  };
}

/** The text of token events, put together. */
export const wordsOf = (events: readonly Readonly<Record<string, Json>>[]): string =>
  events.map(({ text }) => textOf(text ?? null)).join('');
