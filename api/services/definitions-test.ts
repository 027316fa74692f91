import type { Database } from '../../db/client.js';
import { ensureVersion } from '../../db/definitions.js';
import { scoped } from '../../db/scoped.js';
import { presentValue } from '../../db/values.js';
import type { NodeError } from '../../workflows/contract/failures.js';
import type { RunRef, RunStatus } from '../../workflows/contract/run.js';
import { isStubbedKind, testPlan, type TestSetting } from '../../workflows/definition/test-plan.js';
import type { Plan } from '../../workflows/definition/plan.js';
import type { Json, Value } from '../../workflows/definition/values.js';
import type { Actor } from '../actor.js';
import { notFound } from '../http/errors.js';
import { compileContext } from './compile-context.js';
import { findDefinition, type DefinitionRow } from './definition-rows.js';
import { compileRow } from './definitions.js';
import { compileAlone, isBlocker, refusedBy } from './documents.js';
import { checkInput } from './json-check.js';
import { refuseCalls } from './run-starts.js';
import type { RunService } from './runs.js';
import type { UrlRulesOf } from './egress-lists.js';

export interface TestNode extends TestSetting {
  readonly nodeId: string;
  /** Ids of nodes whose effects are real. */
  readonly live: readonly string[];
  readonly seed: string;
}

export interface NodeTestResult {
  readonly run_id: string;
  readonly status: RunStatus;
  readonly output: Json;
  readonly error: NodeError | null;
  readonly duration_ms: number | null;
  /** What it would have done was prepared and shown, not done. */
  readonly stubbed: boolean;
}

export interface TestRun {
  readonly input: Json;
  readonly live: readonly string[];
  readonly seed: string;
}

export interface StartedTest {
  readonly id: string;
  readonly run_id: string;
  readonly status: RunStatus;
  readonly version_id: string;
}

export interface TestService {
  /** Runs one node of the draft and answers what it put out, within half a minute. */
  readonly testNode: (actor: Actor, definitionId: string, test: TestNode) => Promise<NodeTestResult>;
  /** Runs the draft with its pinned results. */
  readonly testRun: (actor: Actor, definitionId: string, test: TestRun) => Promise<StartedTest>;
}

export interface TestDeps {
  readonly db: Database;
  readonly urlRules: UrlRulesOf;
  readonly runs: Pick<RunService, 'start'>;
  readonly news: {
    readonly waitFor: <T>(run: RunRef, ask: () => Promise<T | null>, timeoutMs: number) => Promise<T | null>;
  };
}

export const createTestService = (deps: TestDeps): TestService => ({
  testNode: (actor, definitionId, test) => testNode(deps, actor, { ...test, definitionId }),
  testRun: (actor, definitionId, test) => testRun(deps, actor, { ...test, definitionId }),
});

const PATIENCE_MS = 30_000;

async function testNode(
  deps: TestDeps,
  actor: Actor,
  test: TestNode & { readonly definitionId: string },
): Promise<NodeTestResult> {
  const { nodeId, live, seed } = test;
  const row = await findDefinition(deps.db, { workspaceId: actor.workspaceId, definitionId: test.definitionId });
  const whole = await planWithNode(deps, actor.workspaceId, { row, nodeId });
  const made = testPlan(whole, nodeId, test);
  if (made === null) throw notFound('node', nodeId);
  const { [nodeId]: _own, ...pins } = row.pins;
  const run = await deps.runs.start({
    workspaceId: actor.workspaceId,
    definition: null,
    kind: row.kind,
    plan: made.plan,
    input: test.input,
    trigger: 'test',
    actor: actor.id,
    test: { pins: { ...stubsOf(made.plan, live), ...pins, ...made.pins }, live },
    seed,
  });
  const kind = whole.nodes[nodeId]?.kind;
  const stubbed = kind !== undefined && isStubbedKind(kind) && !live.includes(nodeId);
  return { ...(await resultOf(deps, run, nodeId)), stubbed };
}

/** The node needs only itself to be right; the rest of the draft may be unfinished. */
async function planWithNode(
  deps: TestDeps,
  workspaceId: string,
  { row, nodeId }: { readonly row: DefinitionRow; readonly nodeId: string },
): Promise<Plan> {
  const { id: ownId, kind, document } = row;
  const context = await compileContext(deps, { workspaceId, ownId, kind, document });
  const compiled = compileAlone(kind, document, { nodeId, context });
  if (compiled === null) throw notFound('node', nodeId);
  if (compiled.plan === null) throw refusedBy(compiled.problems);
  return compiled.plan;
}

/** A run that a subflow starts would act for real, so it is stubbed like any other effect. */
function stubsOf(plan: Plan, live: readonly string[]): Readonly<Record<string, Json>> {
  const subflows = Object.values(plan.nodes).filter(({ id, kind }) => kind === 'subflow' && !live.includes(id));
  return Object.fromEntries(subflows.map(({ id }) => [id, { stubbed: true }]));
}

/** Its end, or where it waits; what it has come to when time is up. */
async function resultOf({ db, news }: TestDeps, run: RunRef, nodeId: string): Promise<Omit<NodeTestResult, 'stubbed'>> {
  const ask = async () => {
    const row = await runRow(db, run);
    return row.status === 'queued' || row.status === 'running' ? null : row;
  };
  const row = (await news.waitFor(run, ask, PATIENCE_MS)) ?? (await runRow(db, run));
  const step = await db
    .selectFrom('run_steps')
    .select(['started_at', 'ended_at'])
    .where('run_id', '=', run.runId)
    .where('key', '=', `${nodeId}/1`)
    .executeTakeFirst();
  const ended = step?.ended_at ?? null;
  return {
    run_id: run.runId,
    status: row.status,
    output: row.output === null ? null : await presentValue(db, run.workspaceId, row.output),
    error: row.error,
    duration_ms: step === undefined || ended === null ? null : ended.getTime() - step.started_at.getTime(),
  };
}

const runRow = (
  db: Database,
  { workspaceId, runId }: RunRef,
): Promise<{ readonly status: RunStatus; readonly output: Value | null; readonly error: NodeError | null }> =>
  scoped(db, workspaceId)
    .select('runs')
    .select(['status', 'output', 'error'])
    .where('id', '=', runId)
    .executeTakeFirstOrThrow();

async function testRun(
  deps: TestDeps,
  actor: Actor,
  test: TestRun & { readonly definitionId: string },
): Promise<StartedTest> {
  const { workspaceId } = actor;
  const { definitionId, input, live, seed } = test;
  const row = await findDefinition(deps.db, { workspaceId, definitionId });
  refuseCalls(row);
  const { plan, problems } = await compileRow(deps, workspaceId, row);
  if (plan === null || problems.some(isBlocker)) throw refusedBy(problems);
  checkInput(plan, input, 'input');
  const versionId = await ensureVersion(deps.db, { workspaceId, definitionId, document: row.document, plan });
  const { runId } = await deps.runs.start({
    workspaceId,
    definition: { id: definitionId, versionId },
    kind: row.kind,
    plan,
    input,
    trigger: 'test',
    actor: actor.id,
    test: { pins: { ...stubsOf(plan, live), ...row.pins }, live },
    seed,
  });
  return { id: runId, run_id: runId, status: 'queued', version_id: versionId };
}
