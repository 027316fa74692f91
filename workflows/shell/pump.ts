import { CancellationScope, condition } from '@temporalio/workflow';
import { visitKey } from '../contract/ids.js';
import { executionClass, type PlanNode } from '../definition/plan.js';
import { nextReady } from '../engine/reduce.js';
import type { Visit } from '../engine/state.js';
import { start } from '../engine/tokens.js';
import { execute } from './execute.js';
import type { RunSession } from './session.js';
import { flushAll } from './writes.js';

const MAX_IN_FLIGHT = 50;

interface Flight {
  readonly visit: Visit;
  readonly done: Promise<void>;
  readonly scope: CancellationScope;
}

export interface Flights {
  /** Executions that have not come to their end, by the key of the visit they began with. */
  readonly flying: Map<string, Flight>;
  readonly failures: unknown[];
}

/** Moves the run until it ends or has to continue as new. */
export async function pump(session: RunSession, flights: Flights): Promise<void> {
  for (const visit of Object.values(session.state.open)) {
    if (!session.isUndoing(visit)) launch(session, visit, flights);
  }
  while (session.state.end === null && !isDrained(session)) {
    await step(session, flights);
    if (flights.failures.length > 0) throw flights.failures[0];
    if (session.isFull()) session.draining = true;
  }
}

/** Takes up the next ready visit, or tells the read model where the run stands, or waits for something to happen. */
async function step(session: RunSession, flights: Flights): Promise<void> {
  reap(session, flights);
  const visit = mayLaunch(session) ? nextReady(session.plan, session.state) : undefined;
  if (visit !== undefined) {
    session.state = start(session.state, visit);
    launch(session, visit, flights);
  } else if (session.busy === 0 && session.isDirty()) {
    await flushAll(session);
  } else {
    await moved(session, flights);
  }
}

function launch(session: RunSession, visit: Visit, { flying, failures }: Flights): void {
  const scope = new CancellationScope();
  session.flying += 1;
  const key = visitKey(visit);
  const done = scope
    .run(() => execute(session, visit))
    .catch((error: unknown) => void failures.push(error))
    .finally(() => {
      session.flying -= 1;
      land(session, visit);
      flying.delete(key);
    });
  flying.set(key, { visit, done, scope });
}

/** Forgets the way a line's token went. */
function land(session: RunSession, visit: Visit): void {
  const key = visitKey(visit);
  const next = session.moved.get(key);
  session.left.delete(key);
  session.moved.delete(key);
  if (next !== undefined) land(session, next);
}

/** Stops whatever works for a visit that was withdrawn. */
function reap(session: RunSession, flights: Flights): void {
  for (const { scope } of withdrawn(session, flights)) scope.cancel();
}

const withdrawn = (session: RunSession, { flying }: Flights): readonly Flight[] =>
  [...flying.values()].filter(({ visit, scope }) => {
    const at = visitKey(session.tokenOf(visit));
    return session.state.open[at] === undefined && !session.left.has(at) && !scope.consideredCancelled;
  });

const mayLaunch = (session: RunSession): boolean => session.mayStart() && session.busy < MAX_IN_FLIGHT;

/** While one activity is all that can move the run, it is awaited itself: a condition is asked again at every turn. */
async function moved(session: RunSession, flights: Flights): Promise<void> {
  const [only, ...more] = flights.flying.values();
  const isAlone = only !== undefined && more.length === 0 && session.busy > 0 && isActivity(session.node(only.visit));
  if (!isAlone) return condition(() => flights.failures.length > 0 || hasMoved(session, flights));
  await Promise.race([only.done, session.rests(), CancellationScope.current().cancelRequested]);
}

const isActivity = (node: PlanNode): boolean => ['durable', 'fast'].includes(executionClass(node));

const hasMoved = (session: RunSession, flights: Flights): boolean =>
  session.state.end !== null ||
  isDrained(session) ||
  (!session.draining && session.isFull()) ||
  (mayLaunch(session) && nextReady(session.plan, session.state) !== undefined) ||
  (session.busy === 0 && session.isDirty()) ||
  withdrawn(session, flights).length > 0;

const isDrained = (session: RunSession): boolean => session.draining && session.busy === 0;
