import { ApplicationFailure, CancelledFailure } from '@temporalio/activity';
import { beginStep, endStep, NOTHING_TO_FLUSH, type BegunStep, type StepEnd } from '../db/run-records.js';
import { appendRunEvents } from '../db/run-events.js';
import { scoped } from '../db/scoped.js';
import { loadValue, storeValue } from '../db/values.js';
import type { Database } from '../db/client.js';
import type {
  RunActivities,
  RunSegmentInput,
  SegmentFailure,
  SegmentResult,
  SegmentStep,
} from '../workflows/contract/activities.js';
import { Failure, type NodeError } from '../workflows/contract/failures.js';
import type { NodePolicy } from '../workflows/definition/plan.js';
import type { Json, Value } from '../workflows/definition/values.js';
import type { EventSink } from './nodes/events.js';
import { loadScope, type ScopeNames } from './nodes/names.js';
import type { NodeAnswer, NodeFailure, NodeRunners } from './nodes/runner.js';
import { attemptOnce } from './attempt.js';
import { promptOf } from './open-wait.js';

export interface SegmentDeps {
  readonly db: Database;
  readonly runners: NodeRunners;
  readonly secret: (workspaceId: string, name: string) => Promise<string>;
  readonly warn: EventSink['warn'];
}

/**
 * Executes a line of nodes. Each step's record is its checkpoint: a repeated segment answers finished steps from their
 * records and goes on at the first unfinished one, with the same idempotency key.
 */
export function createSegmentActivities(deps: SegmentDeps): Pick<RunActivities, 'runSegment'> {
  return { runSegment: (input) => runSteps(deps, input) };
}

type Vars = Readonly<Record<string, Value>>;

/** What a step left for those after it. */
interface Done {
  readonly output: Value;
  readonly vars: Vars;
  readonly hasOpened: boolean;
}

async function runSteps(deps: SegmentDeps, input: RunSegmentInput): Promise<SegmentResult> {
  const { workspaceId } = input.run;
  const outputs: Value[] = [];
  let vars: Vars = {};
  let hasOpened = false;
  let scope = await loadScope(deps.db, workspaceId, input.scope);
  for (const [index, step] of input.steps.entries()) {
    const value = outputs.at(-1) ?? input.input;
    const flush = index === 0 ? input.flush : NOTHING_TO_FLUSH;
    const begun = await beginStep(deps.db, input.run, { step: startOf(step, value), flush });
    const done =
      (await doneBefore(deps, input, begun)) ?? (await runStep(deps, input, { step, value, begun, outputs, scope }));
    outputs.push(done.output);
    hasOpened ||= done.hasOpened;
    vars = { ...vars, ...done.vars };
    if (step !== input.steps.at(-1)) scope = await scopeAfter(deps, input, { scope, step, done });
  }
  return {
    outputs,
    ...(Object.keys(vars).length === 0 ? {} : { vars }),
    ...(hasOpened ? { hasOpened } : {}),
  };
}

const startOf = ({ node, key, visit, scope, seq, round }: SegmentStep, input: Value) => ({
  key,
  nodeId: node.id,
  visit,
  scope,
  seq,
  kind: node.dialectKind,
  label: node.label,
  input,
  round,
});

async function doneBefore(
  { db }: SegmentDeps,
  { run, opens }: RunSegmentInput,
  { status, output, vars }: BegunStep,
): Promise<Done | null> {
  if (status !== 'completed' || output === null) return null;
  const wait = opens === undefined ? undefined : await scoped(db, run.workspaceId).get('waits', opens.token);
  return { output, vars: vars ?? {}, hasOpened: wait !== undefined };
}

/** The later steps of a line see what the earlier ones left. */
async function scopeAfter(
  { db }: SegmentDeps,
  { run }: RunSegmentInput,
  { scope, step, done }: { readonly scope: ScopeNames; readonly step: SegmentStep; readonly done: Done },
): Promise<ScopeNames> {
  const { node } = step;
  const saved = node.saveAs === undefined ? {} : { [node.saveAs]: done.output };
  const left = await loadScope(db, run.workspaceId, {
    run: { id: run.runId, input: null },
    vars: { ...done.vars, ...saved },
    steps: { [node.id]: done.output },
    item: null,
    index: null,
    message: null,
  });
  return { ...scope, vars: { ...scope.vars, ...left.vars }, steps: { ...scope.steps, ...left.steps } };
}

interface StepAttempt {
  readonly step: SegmentStep;
  readonly value: Value;
  readonly begun: BegunStep;
  readonly outputs: readonly Value[];
  readonly scope: ScopeNames;
}

const NOTHING_ENDED: Omit<StepEnd, 'key' | 'status'> = {
  output: null,
  error: null,
  failed: false,
  finished: null,
  vars: null,
  cost: null,
  decidedBy: null,
};

async function runStep(deps: SegmentDeps, input: RunSegmentInput, attempt: StepAttempt): Promise<Done> {
  const { step, begun } = attempt;
  if (step.pinned !== undefined) return complete(deps, input, { step, answer: { output: step.pinned }, by: 'pinned' });
  const result = await attemptOnce(
    { ...deps, append: (run, events) => appendRunEvents(deps.db, run.runId, events) },
    input,
    { ...attempt, json: await loadValue(deps.db, input.run.workspaceId, attempt.value) },
  );
  if ('answer' in result) return complete(deps, input, { step, answer: result.answer, by: null });
  const { error, cause } = result;
  const end = { ...NOTHING_ENDED, key: step.key, error };
  if (cause === null) {
    await endStep(deps.db, input.run, { ...end, status: 'cancelled' });
    throw new CancelledFailure(error.message);
  }
  const failures = begun.failures + 1;
  const isFinal = isLast(step.node.policy, failures, cause);
  const status = isFinal ? 'failed' : 'running';
  await endStep(deps.db, input.run, { ...end, status, failed: true, cost: cause.cost });
  throw isFinal ? finalFailure(attempt.outputs, error) : nextAttempt(step.node.policy, failures, { error, cause });
}

async function complete(
  { db }: SegmentDeps,
  input: RunSegmentInput,
  { step, answer, by }: { readonly step: SegmentStep; readonly answer: NodeAnswer; readonly by: string | null },
): Promise<Done> {
  const store = (json: Json): Promise<Value> => storeValue(db, input.run, { json, limitBytes: input.inlineLimitBytes });
  const output = await store(answer.output);
  const entries = Object.entries(answer.vars ?? {}).map(async ([name, json]) => [name, await store(json)] as const);
  const vars = Object.fromEntries(await Promise.all(entries));
  const isLastStep = step === input.steps.at(-1);
  const opens = isLastStep && keepsTheWord(answer.output) ? opening(input, output) : undefined;
  await endStep(db, input.run, {
    ...NOTHING_ENDED,
    key: step.key,
    status: 'completed',
    output,
    vars: entries.length === 0 ? null : vars,
    cost: answer.cost ?? null,
    decidedBy: by,
    finished: isLastStep && input.finishes ? { ...input.flush, seq: step.seq, status: null } : null,
    opens,
  });
  return { output, vars, hasOpened: opens !== undefined };
}

/** Of a turn: its agent listens next. */
const keepsTheWord = (output: Json): boolean =>
  typeof output === 'object' && output !== null && 'outcome' in output && output.outcome === 'stay';

/** The wait that a turn opens, and the step that waits for what the turn put out to be answered. */
function opening({ run, opens }: RunSegmentInput, input: Value): StepEnd['opens'] {
  if (opens === undefined) return undefined;
  const { token, timeoutSeconds, kind, endsTurn = null, ...step } = opens;
  const startedAt = Date.now();
  const expiresAt = timeoutSeconds === null ? null : startedAt + timeoutSeconds * 1_000;
  const { key, nodeId, visit, scope } = step;
  const place = { token, key, run, nodeId, visit, scope };
  return {
    endedTurn: endsTurn,
    wait: { ...place, kind: 'message', prompt: promptOf(step), context: null, expiresAt },
    step: {
      ...{ ...step, kind, status: 'waiting', input, startedAt, endedAt: null },
      ...{ output: null, error: null, taken: null, port: null, decidedBy: null },
    },
  };
}

const isLast = (policy: NodePolicy, failures: number, { retryable, type }: NodeFailure): boolean =>
  !retryable || failures >= policy.maxAttempts || policy.nonRetryable?.includes(type) === true;

function finalFailure(outputs: readonly Value[], error: NodeError): ApplicationFailure {
  const details: SegmentFailure = { outputs, error };
  return ApplicationFailure.nonRetryable(error.message, Failure.nodeFailed, details);
}

function nextAttempt(
  policy: NodePolicy,
  failures: number,
  { error, cause }: { readonly error: NodeError; readonly cause: NodeFailure },
): ApplicationFailure {
  const factor = policy.backoffFactor ?? 2;
  const backoff = Math.min(policy.backoffMs * factor ** (failures - 1), policy.maxBackoffMs);
  const nextRetryDelay = Math.max(backoff, cause.retryAfterMs ?? 0);
  return ApplicationFailure.create({ message: error.message, type: Failure.attemptFailed, nextRetryDelay });
}
