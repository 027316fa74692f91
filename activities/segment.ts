import { ApplicationFailure, Context, CancelledFailure } from '@temporalio/activity';
import { beginStep, endStep, NOTHING_TO_FLUSH } from '../db/run-records.js';
import { cleanJson, loadValue, storeValue } from '../db/values.js';
import type { Database } from '../db/client.js';
import type {
  ActivityKind,
  RunActivities,
  RunSegmentInput,
  SegmentFailure,
  SegmentStep,
} from '../workflows/contract/activities.js';
import { Failure, type NodeError } from '../workflows/contract/failures.js';
import { effectKey } from '../workflows/contract/ids.js';
import type { NodePolicy } from '../workflows/definition/plan.js';
import type { Json, Value } from '../workflows/definition/values.js';
import { holds } from '../workflows/engine/conditions.js';
import type { NodeContext, NodeRunner, NodeRunners } from './nodes/runner.js';
import { createRedactor, NodeFailure, recordSecrets } from './nodes/runner.js';

export interface SegmentDeps {
  readonly db: Database;
  readonly runners: NodeRunners;
  readonly secret: (workspaceId: string, name: string) => Promise<string>;
}

const HEARTBEAT_MS = 2_000;

/**
 * Executes a line of nodes. Each step's record is its checkpoint: a repeated segment answers finished steps from their
 * records and goes on at the first unfinished one, with the same idempotency key.
 */
export function createSegmentActivities(deps: SegmentDeps): Pick<RunActivities, 'runSegment' | 'matchConditions'> {
  return {
    runSegment: (input) => withHeartbeat(() => runSteps(deps, input)),
    matchConditions: async ({ run, value, conditions }) => {
      const json = await loadValue(deps.db, run.workspaceId, value);
      return conditions.map((condition) => holds(condition, json));
    },
  };
}

async function withHeartbeat<T>(work: () => Promise<T>): Promise<T> {
  const context = Context.current();
  const timer = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

async function runSteps(deps: SegmentDeps, input: RunSegmentInput): Promise<{ readonly outputs: readonly Value[] }> {
  const outputs: Value[] = [];
  for (const [index, step] of input.steps.entries()) {
    const value = outputs.at(-1) ?? input.input;
    const flush = index === 0 ? input.flush : NOTHING_TO_FLUSH;
    const { node, visit, seq } = step;
    const start = { nodeId: node.id, visit, seq, kind: node.dialectKind, label: node.label, input: value };
    const begun = await beginStep(deps.db, input.run, { step: start, flush });
    if (begun.status === 'completed' && begun.output !== null) outputs.push(begun.output);
    else outputs.push(await runStep(deps, input, { step, value, begun, outputs }));
  }
  return { outputs };
}

interface StepAttempt {
  readonly step: SegmentStep;
  readonly value: Value;
  readonly begun: { readonly failures: number; readonly attempt: number };
  readonly outputs: readonly Value[];
}

async function runStep(deps: SegmentDeps, input: RunSegmentInput, attempt: StepAttempt): Promise<Value> {
  const { db } = deps;
  const { node, visit } = attempt.step;
  const json = await loadValue(db, input.run.workspaceId, attempt.value);
  const result = await attemptOnce(deps, input, { ...attempt, json });
  const end = { nodeId: node.id, visit };
  if ('output' in result) {
    const output = await storeValue(db, input.run, { json: result.output, limitBytes: input.inlineLimitBytes });
    const isLast = attempt.step === input.steps.at(-1);
    const finished = isLast && input.finishes ? { ...input.flush, seq: attempt.step.seq, status: null } : null;
    await endStep(db, input.run, { ...end, status: 'completed', output, error: null, failed: false, finished });
    return output;
  }
  const { error, cause } = result;
  if (cause === null) {
    await endStep(db, input.run, { ...end, status: 'cancelled', output: null, error, failed: false, finished: null });
    throw new CancelledFailure(error.message);
  }
  const failures = attempt.begun.failures + 1;
  const isFinal = !cause.retryable || failures >= node.policy.maxAttempts;
  await endStep(db, input.run, {
    ...end,
    status: isFinal ? 'failed' : 'running',
    output: null,
    error,
    failed: true,
    finished: null,
  });
  throw isFinal ? finalFailure(attempt.outputs, error) : nextAttempt(node.policy, failures, { error, cause });
}

function finalFailure(outputs: readonly Value[], error: NodeError): ApplicationFailure {
  const details: SegmentFailure = { outputs, error };
  return ApplicationFailure.nonRetryable(error.message, Failure.nodeFailed, details);
}

function nextAttempt(
  policy: NodePolicy,
  failures: number,
  { error, cause }: { readonly error: NodeError; readonly cause: NodeFailure },
): ApplicationFailure {
  const backoff = Math.min(policy.backoffMs * 2 ** (failures - 1), policy.maxBackoffMs);
  const nextRetryDelay = Math.max(backoff, cause.retryAfterMs ?? 0);
  return ApplicationFailure.create({ message: error.message, type: Failure.attemptFailed, nextRetryDelay });
}

type AttemptResult =
  | { readonly output: Json }
  /** `cause` is null when the run was cancelled under it. */
  | { readonly error: NodeError; readonly cause: NodeFailure | null };

async function attemptOnce(
  deps: SegmentDeps,
  input: RunSegmentInput,
  { step, json, begun }: StepAttempt & { readonly json: Json },
): Promise<AttemptResult> {
  const { cancellationSignal } = Context.current();
  const { node, visit } = step;
  const secrets = recordSecrets((name) => deps.secret(input.run.workspaceId, name));
  const context = {
    run: input.run,
    node,
    visit,
    attempt: begun.attempt,
    idempotencyKey: effectKey(input.run.runId, node.id, visit),
    input: json,
    signal: AbortSignal.any([cancellationSignal, AbortSignal.timeout(node.policy.timeoutMs)]),
    secret: secrets.secret,
  };
  try {
    // -- reason: runners are total over kinds; the record cannot say that this one takes this node's kind
    const runner = deps.runners[node.kind] as NodeRunner<ActivityKind>;
    const output = await runner(context as NodeContext<ActivityKind>);
    return { output: cleanJson(createRedactor(secrets.used).redactJson(output)) };
  } catch (error) {
    if (cancellationSignal.aborted) return cancelled(error);
    if (!(error instanceof NodeFailure)) throw error;
    const message = createRedactor(secrets.used).redactText(error.message).slice(0, 1_000);
    return { error: { type: error.type, message }, cause: error };
  }
}

/** A worker that shuts down gives the step back, to go on elsewhere; only a cancelled run ends it. */
function cancelled(error: unknown): AttemptResult {
  if (Context.current().cancellationDetails?.cancelRequested !== true) throw error;
  return { error: { type: 'cancelled', message: 'The run was cancelled.' }, cause: null };
}
