import { isCancellation, proxyActivities } from '@temporalio/workflow';
import type { ActivityKind, NextWait, RunActivities, Scope, SegmentStep } from '../contract/activities.js';
import type { NodeError } from '../contract/failures.js';
import { visitKey } from '../contract/ids.js';
import { records, segment, SEGMENT_MARGIN_MS } from '../contract/timeouts.js';
import type { NodeOf } from '../definition/plan.js';
import { isStubbedKind } from '../definition/test-plan.js';
import { inline, type Value } from '../definition/values.js';
import { park } from '../engine/reduce.js';
import { endsWith, lineFrom } from '../engine/segments.js';
import type { Visit } from '../engine/state.js';
import { advance, reserve } from '../engine/tokens.js';
import { failureOf } from './failures.js';
import { dropVisit, failVisit, leave, type VisitFailure } from './leave.js';
import { nextWait, withOpened } from './next-wait.js';
import { scopeOf } from './scope.js';
import type { RunSession } from './session.js';
import { flushExcess } from './writes.js';

const { runSegment } = proxyActivities<RunActivities>(records);

/** One activity for the node, or for the whole fast line that starts with it. */
export async function runLine(session: RunSession, visit: Visit): Promise<void> {
  const line = reserveLine(session, visit);
  const last = line.at(-1)?.node ?? session.node(visit);
  await flushExcess(session);
  const finishes = endsWith(session.plan, session.state, { head: visit, last });
  const opens = finishes || line.length > 1 ? null : nextWait(session, visit);
  const { seq } = session.state;
  const done = await outcomeOf(session, { line, input: visit.input, finishes, opens });
  if (finishes && done.error === undefined) markFinished(session, visit, done.outputs.at(-1) ?? inline(null));
  const goOn = (): Promise<void> => leaveLine(session, { head: visit, line, ...done });
  await (opens === null || done.hasOpened !== true ? goOn() : withOpened(session, { wait: opens, seq }, goOn));
}

type Outcome = Omit<LineEnd, 'head' | 'line'>;

async function outcomeOf(session: RunSession, call: Call): Promise<Outcome> {
  try {
    return await callSegment(session, call);
  } catch (error) {
    if (isCancellation(error)) throw error;
    return failureOf(error);
  }
}

/** The activity wrote the run's end with its step: had somebody cancelled the run meanwhile, it was too late. */
function markFinished(session: RunSession, visit: Visit, output: Value): void {
  session.readModel.recorded = 'completed';
  if (session.state.end?.status === 'cancelled') {
    session.state = { ...session.state, end: { status: 'completed', output } };
    dropVisit(session, visit);
  }
}

interface Call {
  readonly line: readonly SegmentStep[];
  readonly input: Value;
  readonly finishes: boolean;
  readonly opens?: NextWait | null;
}

/** What is to be written travels along; it is put back when the call may have ended before it was. */
export async function callSegment(session: RunSession, { line, input, finishes, opens = null }: Call) {
  const timeoutMs = line.reduce((sum, step) => sum + step.node.policy.timeoutMs, 0) + SEGMENT_MARGIN_MS;
  const options = {
    ...segment,
    startToCloseTimeout: timeoutMs,
    summary: line.map((step) => step.node.label).join(', '),
  };
  const scope = scopeOfLine(session, line, input);
  const flush = session.takeFlush(session.isPaused ? 'paused' : 'running');
  const { run } = session.input;
  const inlineLimitBytes = session.inlineLimit();
  const next = opens === null ? {} : { opens };
  const call = { run, steps: line, input, scope, flush, inlineLimitBytes, finishes, ...next };
  try {
    return await runSegment.executeWithOptions(options, [call]);
  } catch (error) {
    if (isCancellation(error) || failureOf(error).error.type === 'engine_error') session.readModel.restore(flush);
    throw error;
  }
}

/** What any of its steps reads. */
function scopeOfLine(session: RunSession, line: readonly SegmentStep[], input: Value): Scope {
  const [first, ...others] = line.map((step) => scopeOf(session, { ...step, input }, step.node.reads));
  if (first === undefined) throw new RangeError('a line has at least one step');
  return others.reduce(
    (scope, each) => ({
      run: { id: scope.run.id, input: scope.run.input ?? each.run.input },
      vars: { ...scope.vars, ...each.vars },
      steps: { ...scope.steps, ...each.steps },
      item: scope.item ?? each.item,
      index: scope.index,
      message: scope.message ?? each.message,
    }),
    first,
  );
}

function reserveLine(session: RunSession, visit: Visit): readonly SegmentStep[] {
  return lineFrom(session.plan, visit.nodeId).map((node, index) => {
    const { scope } = visit;
    const reserved =
      index === 0 ? { state: session.state, visit: visit.visit } : reserve(session.state, scope, node.id);
    session.state = { ...reserved.state, seq: reserved.state.seq + 1 };
    return stepFor(session, { nodeId: node.id, visit: reserved.visit, scope, input: visit.input });
  });
}

export function stepFor(session: RunSession, visit: Visit): SegmentStep {
  // -- reason: only activity kinds are durable or fast; `classOfKind` says so
  const node = session.node(visit) as NodeOf<ActivityKind>;
  const key = visitKey(visit);
  const { isUndone = false } = session.retries.get(key) ?? {};
  const round = session.roundOf(visit);
  const { nodeId, visit: number, scope } = visit;
  const place = { nodeId, visit: number, scope, key, seq: session.state.seq };
  return { node, ...place, round, isUndone, ...testing(session, node) };
}

function testing({ input: { test } }: RunSession, node: NodeOf<ActivityKind>) {
  if (test === undefined) return {};
  const pinned = test.pins[node.id];
  if (pinned !== undefined) return { pinned };
  return isStubbedKind(node.kind) && !test.live.includes(node.id) ? { isStubbed: true } : {};
}

interface LineEnd {
  readonly head: Visit;
  readonly line: readonly SegmentStep[];
  readonly outputs: readonly Value[];
  readonly vars?: Readonly<Record<string, Value>>;
  readonly error?: NodeError;
  readonly hasOpened?: true;
}

async function leaveLine(session: RunSession, end: LineEnd): Promise<void> {
  const { head, line, outputs, vars, error } = end;
  const index = error === undefined ? line.length - 1 : outputs.length;
  const visit = visitAt(end, index);
  if (index > 0 && session.isOpen(head)) moveTo(session, head, visit);
  const startedAt = Date.now();
  if (error !== undefined) return failStep(session, visit, { error, startedAt });
  const output = outputs[index] ?? inline(null);
  await leave(session, visit, { output, startedAt, isRecorded: true, ...(vars === undefined ? {} : { vars }) });
}

function visitAt({ head, line, outputs }: LineEnd, index: number): Visit {
  const step = line[index];
  if (step === undefined) throw new RangeError('a segment answered for more steps than it has');
  const input = index === 0 ? head.input : (outputs[index - 1] ?? inline(null));
  return { nodeId: step.nodeId, visit: step.visit, scope: step.scope, input };
}

/** A step of unknown outcome is parked whatever its policy: a person is asked. */
async function failStep(session: RunSession, visit: Visit, failure: VisitFailure): Promise<void> {
  const { error, startedAt } = failure;
  if (error.type !== 'outcome_unknown' || !session.isOpen(visit)) return failVisit(session, visit, failure);
  session.state = park(session.state, visit, error);
  session.record(visit, { status: 'parked', error, startedAt });
}

/** The token has come to a later step of the line, and the execution with it. */
function moveTo(session: RunSession, head: Visit, visit: Visit): void {
  session.state = advance(session.state, head, visit);
  session.moved.set(visitKey(head), visit);
}
