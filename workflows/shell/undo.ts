import { CancellationScope, isCancellation } from '@temporalio/workflow';
import { visitKey } from '../contract/ids.js';
import type { NodeOf } from '../definition/plan.js';
import { park } from '../engine/reduce.js';
import type { UndoEntry, Visit } from '../engine/state.js';
import { close, reserve, stepped } from '../engine/tokens.js';
import { failureOf } from './failures.js';
import { leave } from './leave.js';
import { callSegment, stepFor } from './line.js';
import { askAboutParked } from './parked.js';
import type { RunSession } from './session.js';
import { flushExcess, whole } from './writes.js';

/** Undoes what is finished and can be undone, newest first. False when the run continues as new before it is done. */
export async function undoAll(
  session: RunSession,
  isMeant: (entry: UndoEntry) => boolean = () => true,
): Promise<boolean> {
  for (;;) {
    const entry = session.state.undo.findLast(isMeant);
    if (entry === undefined) return true;
    const key = visitKey(entry.visit);
    // a compensation beside this one is at it
    await session.idle(() => !session.beingUndone.has(key), null);
    await stopIfWithdrawn();
    if (session.letsGo()) return false;
    if (session.beingUndone.has(key) || !session.state.undo.includes(entry)) continue;
    session.beingUndone.add(key);
    try {
      if (!(await undoOne(session, entry))) return false;
    } finally {
      session.beingUndone.delete(key);
    }
  }
}

/** What is being undone is undone to its end, and nothing more where that is not wanted any longer. */
async function stopIfWithdrawn(): Promise<void> {
  const scope = CancellationScope.current();
  if (scope.consideredCancelled) await scope.cancelRequested;
}

/** The undoing node sees `{input, output}` of what it undoes. One that fails for good is on record and the rest goes on. */
async function undoOne(session: RunSession, entry: UndoEntry): Promise<boolean> {
  const undone = visitKey(entry.visit);
  const visit = takeUp(session, entry);
  if (!(await carryOut(session, visit))) return false;
  session.undoing.delete(undone);
  session.forget(visit);
  const left = session.state.undo.filter((each) => visitKey(each.visit) !== undone);
  session.state = { ...close(session.state, visit), undo: left };
  return true;
}

/** The same undoing is the same visit, however often it is taken up: its effect has one key. */
function takeUp(session: RunSession, { visit: undone, output, by }: UndoEntry): Visit {
  const { scope } = undone;
  const number = session.undoing.get(visitKey(undone)) ?? nextVisit(session, scope, by);
  session.undoing.set(visitKey(undone), number);
  const visit: Visit = { nodeId: by, visit: number, scope, input: { parts: { input: undone.input, output } } };
  session.state = { ...session.state, open: { ...session.state.open, [visitKey(visit)]: visit } };
  return visit;
}

/** A map or loop that has ended does not count the visits of its items any more. */
function nextVisit(session: RunSession, scope: string, by: string): number {
  session.undone += 1;
  const isGone = scope !== '' && session.state.frames[scope] === undefined;
  const reserved = isGone
    ? { state: stepped(session.state), visit: session.undone }
    : reserve(session.state, scope, by);
  session.state = reserved.state;
  return reserved.visit;
}

/** False when the run continues as new before somebody has said what is to become of it. */
async function carryOut(session: RunSession, visit: Visit): Promise<boolean> {
  for (;;) {
    if (!session.isParked(visit)) await whole(() => attempt(session, visit));
    if (!session.isParked(visit)) return true;
    const verdict = await askAboutParked(session, visit);
    if (verdict.action === 'drained') return false;
    if (verdict.action === 'again') continue;
    const { startedAt, by: decidedBy } = verdict;
    const end = verdict.action === 'done' ? { output: verdict.output } : { error: verdict.error };
    const status = verdict.action === 'done' ? 'completed' : 'failed';
    session.record(visit, { status, ...end, startedAt, endedAt: Date.now(), decidedBy });
    return true;
  }
}

async function attempt(session: RunSession, visit: Visit): Promise<void> {
  const startedAt = Date.now();
  await flushExcess(session);
  try {
    await callSegment(session, { line: [stepFor(session, visit)], input: visit.input, finishes: false });
  } catch (error) {
    if (isCancellation(error)) throw error;
    const failure = failureOf(error).error;
    const mayWait = session.node(visit).policy.onError.action === 'park' || failure.type === 'outcome_unknown';
    if (mayWait) session.state = park(session.state, visit, failure);
    else session.record(visit, { status: 'failed', error: failure, startedAt, endedAt: Date.now() });
  }
}

/** The undo of a node in the middle of a run. */
export async function compensate(session: RunSession, visit: Visit, node: NodeOf<'compensate'>): Promise<void> {
  const { nodes } = node.config;
  const startedAt = Date.now();
  session.record(visit, { status: 'running', startedAt });
  const isDone = await undoAll(session, (entry) => nodes === undefined || nodes.includes(entry.visit.nodeId));
  if (isDone) await leave(session, visit, { output: visit.input, startedAt });
}
