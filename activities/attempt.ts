import { Context } from '@temporalio/activity';
import type { Database } from '../db/client.js';
import type { BegunStep } from '../db/run-records.js';
import { nodeSeconds } from '../db/telemetry/metrics.js';
import { inSpan } from '../db/telemetry/tracing.js';
import { cleanJson } from '../db/values.js';
import type { ActivityKind, RunSegmentInput, SegmentStep } from '../workflows/contract/activities.js';
import type { NodeError } from '../workflows/contract/failures.js';
import { effectKey } from '../workflows/contract/ids.js';
import type { Json } from '../workflows/definition/values.js';
import { createNodeEvents, type EventSink, type NodeEvents } from './nodes/events.js';
import { createLedger } from './nodes/ledger.js';
import { seenFrom, withInput, type ScopeNames } from './nodes/names.js';
import {
  createRedactor,
  NodeFailure,
  recordSecrets,
  type NodeAnswer,
  type NodeContext,
  type NodeRunner,
  type NodeRunners,
  type RecordedSecrets,
  type Redactor,
} from './nodes/runner.js';

export interface AttemptDeps extends EventSink {
  readonly db: Database;
  readonly runners: NodeRunners;
  readonly secret: (workspaceId: string, name: string) => Promise<string>;
}

export interface Attempt {
  readonly step: SegmentStep;
  readonly json: Json;
  readonly begun: BegunStep;
  readonly scope: ScopeNames;
}

export type AttemptResult =
  | { readonly answer: NodeAnswer }
  /** `cause` is null when the run was cancelled under it. */
  | { readonly error: NodeError; readonly cause: NodeFailure | null };

/** One attempt of one step: what it gave, secrets taken out, or why it failed. */
export async function attemptOnce(deps: AttemptDeps, input: RunSegmentInput, attempt: Attempt): Promise<AttemptResult> {
  const { cancellationSignal } = Context.current();
  const { step, begun } = attempt;
  const secrets = recordSecrets((name) => deps.secret(input.run.workspaceId, name));
  const source = { run: input.run, key: step.key, nodeId: step.node.id, attempt: begun.attempt };
  const events = createNodeEvents(deps, source);
  const context = contextOf(deps, input, { ...attempt, secrets, events });
  const written = (): readonly Promise<void>[] => [context.ledger.written(), events.flush()];
  try {
    // -- reason: runners are total over kinds; the record cannot say that this one takes this node's kind
    const runner = deps.runners[step.node.kind] as NodeRunner<ActivityKind>;
    const answer = await observedNode(context, () => runner(context));
    await Promise.all(written());
    return { answer: redacted(answer, createRedactor(secrets.used)) };
  } catch (error) {
    if (cancellationSignal.aborted) return cancelled(error);
    if (!(error instanceof NodeFailure)) throw error;
    const message = createRedactor(secrets.used).redactText(error.message).slice(0, 1_000);
    return { error: { type: error.type, message, node_id: step.node.id }, cause: error };
  } finally {
    await Promise.allSettled(written());
  }
}

/** A span and a measure an attempt. */
async function observedNode(
  { run, node, key, attempt }: NodeContext<ActivityKind>,
  work: () => Promise<NodeAnswer>,
): Promise<NodeAnswer> {
  const startedAt = performance.now();
  let outcome = 'failed';
  const attributes = {
    'keelson.run_id': run.runId,
    'keelson.workspace_id': run.workspaceId,
    'keelson.node_id': node.id,
    'keelson.visit': key,
    'keelson.attempt': attempt,
  };
  try {
    const answer = await inSpan({ name: `node ${node.kind} ${node.id}`, attributes }, work);
    outcome = 'completed';
    return answer;
  } finally {
    nodeSeconds.observe({ kind: node.kind, outcome }, (performance.now() - startedAt) / 1_000);
  }
}

function contextOf(
  { db }: AttemptDeps,
  { run }: RunSegmentInput,
  attempt: Attempt & { readonly secrets: RecordedSecrets; readonly events: NodeEvents },
): NodeContext<ActivityKind> {
  const { step, begun, json, secrets } = attempt;
  const { node, visit, key, round, isUndone } = step;
  const idempotencyKey = effectKey(run.runId, key);
  const redactor = (): Redactor => createRedactor(secrets.used);
  const context = {
    run,
    node,
    visit,
    key,
    round,
    attempt: begun.attempt,
    startedAt: begun.started_at,
    isLastAttempt: begun.failures + 1 >= node.policy.maxAttempts,
    idempotencyKey,
    input: json,
    names: withInput(seenFrom(attempt.scope, node.reads?.prefix), json),
    isStubbed: step.isStubbed === true,
    signal: AbortSignal.any([Context.current().cancellationSignal, AbortSignal.timeout(node.policy.timeoutMs)]),
    secret: secrets.secret,
    ledger: createLedger({ db, run, nodeId: node.id, effectKey: idempotencyKey, round, isUndone, redactor }),
    emit: attempt.events.emit,
  };
  // -- reason: the node's kind is one of those its context is made for
  return context as NodeContext<ActivityKind>;
}

function redacted({ output, vars, cost }: NodeAnswer, { redactJson }: Redactor): NodeAnswer {
  const clean = (json: Json): Json => cleanJson(redactJson(json));
  const names = Object.entries(vars ?? {}).map(([name, json]) => [name, clean(json)] as const);
  return {
    output: clean(output),
    ...(vars === undefined ? {} : { vars: Object.fromEntries(names) }),
    ...(cost === undefined ? {} : { cost }),
  };
}

/** A worker that shuts down gives the step back, to go on elsewhere; only a cancelled run ends it. */
function cancelled(error: unknown): AttemptResult {
  if (Context.current().cancellationDetails?.cancelRequested !== true) throw error;
  return { error: { type: 'cancelled', message: 'The run was cancelled.' }, cause: null };
}
