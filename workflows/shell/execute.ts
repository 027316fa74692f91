import { CancellationScope, isCancellation } from '@temporalio/workflow';
import { visitKey } from '../contract/ids.js';
import { executionClass, type NodeKind, type NodeOf, type PlanNode } from '../definition/plan.js';
import { inline, type Json, type Value } from '../definition/values.js';
import { cancelNodes, finishNow } from '../engine/reduce.js';
import type { Visit } from '../engine/state.js';
import { failureOf, isProblem } from './failures.js';
import { runLoop, runMap } from './frames.js';
import { dropVisit, endWait, failForGood, failVisit, leave, recordWithdrawn } from './leave.js';
import { runLine } from './line.js';
import { askAboutParked } from './parked.js';
import { evaluateFor, textFor, valueFor } from './scope.js';
import type { RunSession } from './session.js';
import { runSubflow } from './subflow.js';
import { compensate } from './undo.js';
import { awaitDecision, awaitEvent, awaitMessage, awaitTime } from './waiting.js';

type Execute<K extends NodeKind> = (session: RunSession, visit: Visit, node: NodeOf<K>) => Promise<void>;

/** Total over kinds: how a visit of each is brought to its end. */
const executeKind: { readonly [K in NodeKind]: Execute<K> } = {
  pass: passOn,
  branch: passOn,
  join: passOn,
  set: setVars,
  end: endPath,
  respond: answerCaller,
  cancel: withdrawNodes,
  compensate,
  map: runMap,
  loop: runLoop,
  subflow: runSubflow,
  delay: awaitTime,
  until: awaitTime,
  approval: awaitDecision,
  wait_event: awaitEvent,
  listen: awaitMessage,
  assistant: runLine,
  agent: runLine,
  instruction_agent: runLine,
  agent_turn: runLine,
  llm: runLine,
  knowledge: runLine,
  http: runLine,
  tool: runLine,
  code: runLine,
  email: runLine,
  channel_send: runLine,
  webhook: runLine,
  notify: runLine,
};

/** Brings one open visit to its end and applies the result to the session's state. */
export async function execute(session: RunSession, visit: Visit): Promise<void> {
  try {
    while (await goOn(session, session.tokenOf(visit)));
  } catch (error) {
    if (!isCancellation(error) || session.isOpen(session.tokenOf(visit))) throw error;
  }
  const at = session.tokenOf(visit);
  if (session.isOpen(at)) return;
  if (!session.left.has(visitKey(at))) recordWithdrawn(session, at);
  session.forget(at);
}

/** True when a person started the visit anew. */
async function goOn(session: RunSession, visit: Visit): Promise<boolean> {
  if (!session.isParked(visit)) {
    if (!(await mayBegin(session, visit))) return false;
    await withinDeadline(session, visit);
  }
  const at = session.tokenOf(visit);
  return session.isOpen(at) && session.isParked(at) && (await retried(session, at));
}

/** What a paused run was told to start anew waits for it to go on, and so does what had to be let go before it began. */
async function mayBegin(session: RunSession, visit: Visit): Promise<boolean> {
  const { kind } = session.node(visit);
  const isWork = isRun(kind) || (kind === 'subflow' && !session.children.has(visitKey(visit)));
  const isFree = (): boolean => !session.isPaused && session.moving === 0;
  if (!isWork || isFree()) return true;
  await session.idle(isFree, null);
  return !session.draining;
}

async function retried(session: RunSession, visit: Visit): Promise<boolean> {
  const verdict = await askAboutParked(session, visit);
  switch (verdict.action) {
    case 'again':
      return true;
    case 'drained':
      return false;
    case 'done':
      await leave(session, visit, { ...verdict, decidedBy: verdict.by });
      return false;
    case 'failed':
      failForGood(session, visit, { ...verdict, decidedBy: verdict.by });
      return false;
  }
}

/** Frames and waits may have a deadline of their own; an activity's time is its attempts' business. */
async function withinDeadline(session: RunSession, visit: Visit): Promise<void> {
  const { deadlineMs } = session.node(visit).policy;
  const isLong = ['wait', 'frame'].includes(executionClass(session.node(visit)));
  if (deadlineMs === undefined || !isLong) return runOnce(session, visit);
  const key = visitKey(visit);
  const startedAt = session.began.get(key) ?? Date.now();
  session.began.set(key, startedAt);
  const scope = new CancellationScope();
  const known = { isDone: false };
  const work = scope.run(() => runOnce(session, visit)).finally(() => (known.isDone = true));
  work.catch(() => undefined);
  try {
    await session.watch(() => known.isDone, startedAt + deadlineMs);
  } catch (error) {
    await stopped(work);
    throw error;
  }
  if (known.isDone || session.draining) return work;
  scope.cancel();
  const message = `The step took longer than its time limit of ${deadlineMs / 1_000} seconds.`;
  endWait(session, visit, { outcome: 'expired', by: 'system:deadline' });
  session.began.delete(key);
  await failVisit(session, visit, { error: { type: 'timeout', message }, startedAt });
  await stopped(work);
}

/** What was told to stop may have something to bring to its end first. */
async function stopped(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isCancellation(error)) throw error;
  }
}

async function runOnce(session: RunSession, visit: Visit): Promise<void> {
  const node = session.node(visit);
  const known = knownResult(session, visit, node);
  const startedAt = Date.now();
  try {
    if (known !== null) return await leave(session, visit, { ...known, startedAt });
    // -- reason: the record holds for each kind the function of that kind; the compiler cannot relate the two
    await (executeKind[node.kind] as Execute<NodeKind>)(session, visit, node);
  } catch (error) {
    if (isCancellation(error) || !isProblem(error)) throw error;
    await failVisit(session, session.tokenOf(visit), { error: failureOf(error).error, startedAt });
  }
}

/** A result recorded by an earlier run, or pinned by a test run, stands in for the work. */
function knownResult(session: RunSession, visit: Visit, { id, kind }: PlanNode) {
  const reused = session.reuse[visitKey(visit)];
  const isComputed = executionClass(session.node(visit)) === 'inline' || kind === 'map' || kind === 'loop';
  if (reused !== undefined && !isComputed) return { ...reused, decidedBy: 'system:reused' };
  const pinned = session.input.test?.pins[id];
  return pinned === undefined || isRun(kind) ? null : pinnedResult(kind, pinned);
}

function pinnedResult(kind: NodeKind, pinned: Json) {
  const port = kind === 'approval' ? 'approved' : 'out';
  const vars = kind === 'set' && isRecord(pinned) ? inlineAll(pinned) : {};
  return { output: inline(pinned), port, vars, decidedBy: 'system:pinned' } as const;
}

type JsonRecord = Readonly<Record<string, Json>>;

const isRecord = (json: Json): json is JsonRecord => typeof json === 'object' && json !== null && !Array.isArray(json);

const inlineAll = (record: JsonRecord): Readonly<Record<string, Value>> =>
  Object.fromEntries(Object.entries(record).map(([name, json]) => [name, inline(json)]));

/** Activities take their pins along, so that the step is written like any other. */
const isRun = (kind: NodeKind): boolean => executeKind[kind] === runLine;

async function passOn(session: RunSession, visit: Visit): Promise<void> {
  await leave(session, visit, { output: visit.input, startedAt: Date.now() });
}

async function setVars(session: RunSession, visit: Visit, node: NodeOf<'set'>): Promise<void> {
  const startedAt = Date.now();
  const { values } = await evaluateFor(session, visit, { mappings: node.config.values });
  await leave(session, visit, { output: { parts: values }, vars: values, startedAt });
}

async function endPath(session: RunSession, visit: Visit, node: NodeOf<'end'>): Promise<void> {
  const startedAt = Date.now();
  const { output: mapping, final_message: message, terminate } = node.config;
  const said = message === undefined ? '' : await textFor(session, visit, message);
  const output = mapping === undefined ? visit.input : await valueFor(session, visit, mapping);
  if (session.isOpen(visit)) session.talk.say({ node_id: node.id, text: said });
  const spoken = said === '' ? {} : { said };
  if (!terminate) return leave(session, visit, { output, startedAt, endsPath: true, ...spoken });
  if (!session.isOpen(visit)) return;
  session.state = finishNow(session.state, output);
  session.record(visit, { status: 'completed', output, startedAt, endedAt: Date.now(), ...spoken });
  dropVisit(session, visit);
}

async function answerCaller(session: RunSession, visit: Visit, node: NodeOf<'respond'>): Promise<void> {
  const startedAt = Date.now();
  const { body } = node.config;
  const answer = body === undefined ? visit.input : await valueFor(session, visit, body);
  if (session.isOpen(visit)) session.readModel.respond(answer);
  await leave(session, visit, { output: visit.input, startedAt });
}

async function withdrawNodes(session: RunSession, visit: Visit, node: NodeOf<'cancel'>): Promise<void> {
  session.state = cancelNodes(session.plan, session.state, { scope: visit.scope, nodes: node.config.nodes });
  await passOn(session, visit);
}
