import { CancellationScope, isCancellation } from '@temporalio/workflow';
import { visitKey } from '../contract/ids.js';
import { executionClass, type NodeKind, type NodeOf, type PlanNode } from '../definition/plan.js';
import { inline } from '../definition/values.js';
import { cancelNodes, finishNow } from '../engine/reduce.js';
import type { Visit } from '../engine/state.js';
import { failureOf } from './failures.js';
import { runLoop, runMap } from './frames.js';
import { failVisit, leave } from './leave.js';
import { runLine } from './line.js';
import { evaluateFor, NodeProblem, textFor, valueFor } from './scope.js';
import type { RunSession } from './session.js';
import { runSubflow } from './subflow.js';
import { compensate } from './undo.js';
import { awaitDecision, awaitEvent, awaitMessage, awaitRetry, awaitTime } from './waiting.js';

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
  const key = visitKey(visit);
  try {
    for (;;) {
      if (session.state.parked[key] === undefined) await withinDeadline(session, visit);
      if (!session.isOpen(visit) || session.state.parked[key] === undefined) return;
      if (!(await awaitRetry(session, visit))) return;
    }
  } catch (error) {
    if (!isCancellation(error) || session.isOpen(visit)) throw error;
    recordWithdrawn(session, visit);
  }
}

/** Somebody else's doing ended it: a join that went on, a cancelled node, an item that failed, the run's end. */
function recordWithdrawn(session: RunSession, visit: Visit): void {
  if (session.left.has(visitKey(visit))) return;
  const now = Date.now();
  session.record(visit, { status: 'cancelled', startedAt: now, endedAt: now, decidedBy: 'system:withdrawn' });
  const token = session.waits.all().find((wait) => visitKey(wait) === visitKey(visit))?.token;
  if (token === undefined) return;
  session.waits.settle({
    ...{ token, outcome: 'cancelled', by: 'system:withdrawn', note: null, value: null },
    at: now,
  });
  session.waits.close(token);
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
  await session.watch(() => known.isDone, startedAt + deadlineMs);
  if (known.isDone || session.draining) return work;
  const message = `The step took longer than its time limit of ${deadlineMs / 1_000} seconds.`;
  failVisit(session, visit, { error: { type: 'timeout', message }, startedAt });
  scope.cancel();
  await work.catch((error: unknown) => {
    if (!isCancellation(error)) throw error;
  });
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
    if (isCancellation(error)) throw error;
    if (!(error instanceof NodeProblem) && !isActivityFailure(error)) throw error;
    failVisit(session, visit, { error: failureOf(error).error, startedAt });
  }
}

const isActivityFailure = (error: unknown): boolean =>
  error instanceof Error && ['ActivityFailure', 'ApplicationFailure'].includes(error.name);

/** A result recorded by an earlier run, or pinned by a test run, stands in for the work. */
function knownResult(session: RunSession, visit: Visit, { id, kind }: PlanNode) {
  const reused = session.reuse[visitKey(visit)];
  const isComputed = executionClass(session.node(visit)) === 'inline' || kind === 'map' || kind === 'loop';
  if (reused !== undefined && !isComputed) return { ...reused, decidedBy: 'system:reused' };
  const pinned = session.input.test?.pins[id];
  if (pinned === undefined || isRun(kind)) return null;
  const port = kind === 'approval' ? 'approved' : 'out';
  return { output: inline(pinned), port, decidedBy: 'system:pinned' } as const;
}

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
  if (!session.isOpen(visit)) return;
  session.talk.say({ node_id: node.id, text: said });
  const output = mapping === undefined ? visit.input : await valueFor(session, visit, mapping);
  const spoken = said === '' ? {} : { said };
  if (!terminate) return leave(session, visit, { output, startedAt, endsPath: true, ...spoken });
  if (!session.isOpen(visit)) return;
  session.state = finishNow(session.state, output);
  session.record(visit, { status: 'completed', output, startedAt, endedAt: Date.now(), ...spoken });
}

async function answerCaller(session: RunSession, visit: Visit, node: NodeOf<'respond'>): Promise<void> {
  const startedAt = Date.now();
  const { body } = node.config;
  session.respond(body === undefined ? visit.input : await valueFor(session, visit, body));
  await leave(session, visit, { output: visit.input, startedAt });
}

async function withdrawNodes(session: RunSession, visit: Visit, node: NodeOf<'cancel'>): Promise<void> {
  session.state = cancelNodes(session.plan, session.state, { scope: visit.scope, nodes: node.config.nodes });
  await passOn(session, visit);
}
