import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  proxyActivities,
} from '@temporalio/workflow';
import type { ActivityKind, RunActivities, SegmentFailure, SegmentStep } from '../contract/activities.js';
import { Failure, type NodeError } from '../contract/failures.js';
import type { WaitSettlement } from '../contract/run.js';
import { records, segment, SEGMENT_MARGIN_MS } from '../contract/timeouts.js';
import {
  executionClass,
  type Condition,
  type ExecutionClass,
  type NodeOf,
  type PlanNode,
  type Port,
} from '../definition/plan.js';
import { inline, INLINE_LIMIT_BYTES, isInline, type Value } from '../definition/values.js';
import { chosen, edgesFrom, holds } from '../engine/conditions.js';
import { advance, complete, fail, reserve } from '../engine/reduce.js';
import { endsWith, lineFrom } from '../engine/segments.js';
import type { Visit } from '../engine/state.js';
import type { RunSession } from './session.js';

const activities = proxyActivities<RunActivities>(records);

/** Writing down what happened is no part of the work that a cancelled run stops. */
const whole = <T>(write: () => Promise<T>): Promise<T> => CancellationScope.nonCancellable(write);

/** An activity's argument holds at most so many bytes of step values; the rest is written ahead of it. */
const FLUSH_LIMIT_BYTES = 512 * 1024;

type Execute = (session: RunSession, visit: Visit, node: PlanNode) => Promise<void>;

/** Total over classes: how a visit of each is brought to its end. */
const executeClass: Readonly<Record<ExecutionClass, Execute>> = {
  inline: passOn,
  durable: runLine,
  fast: runLine,
  wait: (session, visit, node) =>
    node.kind === 'approval' ? awaitDecision(session, visit, node) : awaitTime(session, visit, node),
};

/** Brings one open visit to its end and applies the result to the session's state. */
export async function execute(session: RunSession, visit: Visit): Promise<void> {
  const node = session.node(visit);
  session.busy += 1;
  try {
    await executeClass[executionClass(node)](session, visit, node);
  } finally {
    session.busy -= 1;
  }
}

async function passOn(session: RunSession, visit: Visit): Promise<void> {
  await leave(session, visit, { output: visit.input, port: 'out', startedAt: Date.now() });
}

interface Departure {
  readonly output: Value;
  readonly port: Port;
  readonly startedAt: number;
  /** Already written by the activity that did the work. */
  readonly isRecorded?: boolean;
}

async function leave(
  session: RunSession,
  visit: Visit,
  { output, port, startedAt, isRecorded }: Departure,
): Promise<void> {
  const node = session.node(visit);
  const candidates = edgesFrom(session.plan.edges, node.id, port);
  const conditions = candidates.map((edge) => edge.condition);
  const known = knownMatches(conditions, output);
  const edges = chosen(
    node,
    candidates,
    known ?? (await activities.matchConditions({ run: session.input.run, value: output, conditions })),
  );
  const taken = edges.find((edge) => edge.label !== null)?.label ?? null;
  session.state = complete(session.plan, session.state, { visit, output, port, edges });
  if (isRecorded !== true || taken !== null) {
    session.record(visit, { status: 'completed', output, taken, startedAt, endedAt: Date.now() });
  }
}

/** Null when only an activity can tell, as the value is stored elsewhere. */
function knownMatches(conditions: readonly Condition[], value: Value): readonly boolean[] | null {
  if (conditions.every((each) => each.type === 'always')) return conditions.map(() => true);
  return isInline(value) ? conditions.map((each) => holds(each, value.json)) : null;
}

/** One activity for the node, or for the whole fast line that starts with it. */
async function runLine(session: RunSession, visit: Visit): Promise<void> {
  const line = reserveLine(session, visit);
  const last = line.at(-1)?.node ?? session.node(visit);
  await flushExcess(session);
  const finishes = endsWith(session.plan, session.state, { head: visit, last });
  const timeoutMs = line.reduce((sum, step) => sum + step.node.policy.timeoutMs, 0) + SEGMENT_MARGIN_MS;
  const options = {
    ...segment,
    startToCloseTimeout: timeoutMs,
    summary: line.map((step) => step.node.label).join(', '),
  };
  const input = {
    run: session.input.run,
    steps: line,
    input: visit.input,
    flush: session.takeFlush('running'),
    inlineLimitBytes: INLINE_LIMIT_BYTES,
    finishes,
  };
  try {
    const { outputs } = await activities.runSegment.executeWithOptions(options, [input]);
    if (finishes) session.recorded = 'completed';
    await leaveLine(session, { head: visit, line, outputs });
  } catch (error) {
    if (isCancellation(error)) {
      session.restore(input.flush);
      throw error;
    }
    const failure = failureOf(error);
    await leaveLine(session, { head: visit, line, outputs: failure.outputs, error: failure.error });
  }
}

function reserveLine(session: RunSession, visit: Visit): readonly SegmentStep[] {
  return lineFrom(session.plan, visit.nodeId).map((node, index) => {
    const reserved = index === 0 ? { state: session.state, visit: visit.visit } : reserve(session.state, node.id);
    session.state = { ...reserved.state, seq: reserved.state.seq + 1 };
    // -- reason: only activity kinds are durable or fast; `classOfKind` says so
    return { node: node as NodeOf<ActivityKind>, visit: reserved.visit, seq: session.state.seq };
  });
}

interface LineEnd {
  readonly head: Visit;
  readonly line: readonly SegmentStep[];
  readonly outputs: readonly Value[];
  readonly error?: NodeError;
}

async function leaveLine(session: RunSession, { head, line, outputs, error }: LineEnd): Promise<void> {
  const index = error === undefined ? line.length - 1 : outputs.length;
  const step = line[index];
  if (step === undefined) throw new RangeError('a segment answered for more steps than it has');
  const input = index === 0 ? head.input : (outputs[index - 1] ?? inline(null));
  const visit: Visit = { nodeId: step.node.id, visit: step.visit, input };
  session.state = advance(session.state, head, visit);
  if (error !== undefined) {
    session.state = fail(session.plan, session.state, { visit, error });
    session.record(visit, { status: 'failed', error, startedAt: Date.now(), endedAt: Date.now() });
    return;
  }
  await leave(session, visit, {
    output: outputs[index] ?? inline(null),
    port: 'out',
    startedAt: Date.now(),
    isRecorded: true,
  });
}

/** What an activity's failure says of the node, or of the engine where it says nothing. */
export function failureOf(error: unknown): SegmentFailure {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure && cause.type === Failure.nodeFailed) {
    // -- reason: whoever throws `NodeFailed` gives it these details
    const [details] = (cause.details ?? []) as [SegmentFailure?];
    if (details !== undefined) return details;
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return { outputs: [], error: { type: 'engine_error', message: message.slice(0, 500) } };
}

async function awaitDecision(session: RunSession, visit: Visit, node: NodeOf<'approval'>): Promise<void> {
  const { timeoutSeconds } = node.config;
  const deadline = timeoutSeconds === undefined ? null : Date.now() + timeoutSeconds * 1_000;
  const { wait, isNew } = session.openWait(visit, 'decision', deadline);
  if (isNew) {
    session.record(visit, { status: 'waiting', startedAt: wait.openedAt });
    await flushExcess(session);
    const flush = session.takeFlush(session.status());
    await whole(() => activities.openWait({ run: session.input.run, node, wait, input: visit.input, flush }));
  }
  const settlement = await settlementOf(session, wait.token, wait.deadline);
  if (settlement === null) return;
  const output = settlement.value ?? visit.input;
  const port = settlement.outcome === 'cancelled' ? 'rejected' : settlement.outcome;
  await leave(session, visit, { output, port, startedAt: wait.openedAt });
}

/** Null when the run drains: the wait is carried over and re-armed. */
async function settlementOf(
  session: RunSession,
  token: string,
  deadline: number | null,
): Promise<WaitSettlement | null> {
  const settled = (): boolean => session.decisionOn(token) !== undefined || session.draining;
  if (session.decisionOn(token) === undefined) await parkUntil(session, token, { settled, deadline });
  const decision = session.decisionOn(token);
  if (decision === undefined && session.draining && (deadline === null || Date.now() < deadline)) return null;
  const expired = { token, outcome: 'expired', by: 'auto-expired', note: null, value: null, at: Date.now() } as const;
  if (decision === undefined) session.settle(expired);
  session.closeWait(token);
  return decision ?? expired;
}

async function parkUntil(
  session: RunSession,
  token: string,
  { settled, deadline }: { readonly settled: () => boolean; readonly deadline: number | null },
): Promise<void> {
  session.park(token);
  try {
    if (deadline === null) await condition(settled);
    else await condition(settled, Math.max(1, deadline - Date.now()));
  } finally {
    session.unpark(token);
  }
}

async function awaitTime(session: RunSession, visit: Visit, node: PlanNode): Promise<void> {
  if (node.kind !== 'delay') throw new RangeError(`${node.kind} is no wait`);
  const { config } = node;
  const startedAt = Date.now();
  const carried = session.openWait(visit, 'until', 'seconds' in config ? startedAt + config.seconds * 1_000 : null);
  let { wait } = carried;
  if (carried.isNew && 'cron' in config) {
    const deadline = await activities.nextCronTime({ ...config, after: startedAt });
    wait = session.rearm(wait, deadline);
  }
  if (carried.isNew) session.record(visit, { status: 'waiting', startedAt: wait.openedAt });
  const settlement = await settlementOf(session, wait.token, wait.deadline);
  if (settlement === null) return;
  await leave(session, visit, { output: visit.input, port: 'out', startedAt: wait.openedAt });
}

/** Tells the read model what it does not know yet, when nothing else is about to. */
export async function flushAll(session: RunSession): Promise<void> {
  await flushExcess(session);
  const flush = session.takeFlush(session.status());
  await whole(() => activities.recordTransitions({ run: session.input.run, flush }));
}

async function flushExcess(session: RunSession): Promise<void> {
  const bytes = (): number =>
    session.pendingValues().reduce((sum, value) => sum + (value === null ? 0 : JSON.stringify(value).length), 0);
  while (bytes() > FLUSH_LIMIT_BYTES) {
    const flush = session.takeFlush(session.recorded, 2);
    await whole(() => activities.recordTransitions({ run: session.input.run, flush }));
  }
}

export async function finish(session: RunSession): Promise<void> {
  const { end } = session.state;
  if (end === null) throw new RangeError('the run has not ended');
  session.abandonWaits();
  await flushExcess(session);
  const flush = session.takeFlush(end.status);
  await activities.finishRun({ run: session.input.run, flush, end });
}
