import { isCancellation } from '@temporalio/workflow';
import { visitKey } from '../contract/ids.js';
import type { NodeOf } from '../definition/plan.js';
import type { UndoEntry, Visit } from '../engine/state.js';
import { close, reserve } from '../engine/tokens.js';
import { failureOf } from './failures.js';
import { leave, type Departure } from './leave.js';
import { callSegment, stepFor } from './line.js';
import { park } from '../engine/reduce.js';
import type { RunSession } from './session.js';
import { awaitRetry } from './waiting.js';

/** Undoes what is finished and can be undone, newest first. */
export async function undoAll(session: RunSession, isMeant: (entry: UndoEntry) => boolean = () => true): Promise<void> {
  for (let entry = newest(session, isMeant); entry !== undefined; entry = newest(session, isMeant)) {
    const done = entry;
    await undoOne(session, done);
    session.state = { ...session.state, undo: session.state.undo.filter((each) => each !== done) };
  }
}

const newest = (session: RunSession, isMeant: (entry: UndoEntry) => boolean): UndoEntry | undefined =>
  session.state.undo.findLast(isMeant);

/** The undoing node sees `{input, output}` of what it undoes. One that fails for good is on record and the rest goes on. */
async function undoOne(session: RunSession, { visit: undone, output, by }: UndoEntry): Promise<void> {
  const { scope } = undone;
  const reserved = reserve(session.state, scope, by);
  const visit: Visit = { nodeId: by, visit: reserved.visit, scope, input: { parts: { input: undone.input, output } } };
  const key = visitKey(visit);
  session.state = { ...reserved.state, open: { ...reserved.state.open, [key]: visit } };
  do {
    const startedAt = Date.now();
    try {
      await callSegment(session, { line: [stepFor(session, visit)], input: visit.input, finishes: false });
    } catch (error) {
      if (isCancellation(error)) throw error;
      const failure = failureOf(error).error;
      const mayWait = session.node(visit).policy.onError.action === 'park' || failure.type === 'outcome_unknown';
      if (mayWait) session.state = park(session.state, visit, failure);
      else session.record(visit, { status: 'failed', error: failure, startedAt, endedAt: Date.now() });
    }
  } while (await awaitRetry(session, visit, (happened) => noteUndone(session, visit, happened)));
  session.state = close(session.state, visit);
}

/** A person says that it was undone: nothing goes on from here, so it is only put on record. */
async function noteUndone(session: RunSession, visit: Visit, happened: Departure): Promise<void> {
  const { output, startedAt, decidedBy = null } = happened;
  session.record(visit, { status: 'completed', output, startedAt, endedAt: Date.now(), decidedBy });
}

/** The undo of a node in the middle of a run. */
export async function compensate(session: RunSession, visit: Visit, node: NodeOf<'compensate'>): Promise<void> {
  const { nodes } = node.config;
  const startedAt = Date.now();
  session.record(visit, { status: 'running', startedAt });
  await undoAll(session, (entry) => nodes === undefined || nodes.includes(entry.visit.nodeId));
  await leave(session, visit, { output: visit.input, startedAt });
}
