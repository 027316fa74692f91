import { visitKey } from '../contract/ids.js';
import type { NodeOf } from '../definition/plan.js';
import { jsonOf, inline, type Value } from '../definition/values.js';
import { isGroupDone, openItems, openRound, resultOf } from '../engine/frames.js';
import type { Visit } from '../engine/state.js';
import { failVisit, leave } from './leave.js';
import { compacted, evaluateFor } from './scope.js';
import type { RunSession } from './session.js';

const MOST_ITEMS = 10_000;

/** The body once an item, so many at a time. */
export async function runMap(session: RunSession, visit: Visit, node: NodeOf<'map'>): Promise<void> {
  const key = visitKey(visit);
  const startedAt = Date.now();
  if (session.state.groups[key] === undefined) {
    const mappings = { items: { $expr: node.config.items } };
    const { lists = {} } = await evaluateFor(session, visit, { mappings, lists: ['items'] });
    const items = lists['items'] ?? [];
    if (items.length > MOST_ITEMS) {
      const message = `items: the list has ${items.length} items; a map takes at most ${MOST_ITEMS}.`;
      return failVisit(session, visit, { error: { type: 'map_too_large', message }, startedAt });
    }
    if (!session.isOpen(visit)) return;
    session.state = openItems(session.plan, session.state, { visit, items });
    session.record(visit, { status: 'running', startedAt });
  }
  if (!(await bodyEnds(session, visit))) return;
  const output = await compacted(session, resultOf(session.state, key, true));
  await leave(session, visit, { output, startedAt });
}

/** False when the run drains, or the body failed or was withdrawn and all is said about it. */
async function bodyEnds(session: RunSession, visit: Visit): Promise<boolean> {
  const key = visitKey(visit);
  const errorOf = () => session.state.groups[key]?.error ?? null;
  const isOver = (): boolean => !session.isOpen(visit) || errorOf() !== null || isGroupDone(session.state, key);
  await session.idle(isOver, null);
  if (!session.isOpen(visit)) return false;
  const error = errorOf();
  if (error !== null) await failVisit(session, visit, { error, startedAt: Date.now() });
  return error === null && isGroupDone(session.state, key);
}

/** The body again and again while its condition holds. */
export async function runLoop(session: RunSession, visit: Visit, node: NodeOf<'loop'>): Promise<void> {
  const key = visitKey(visit);
  const startedAt = Date.now();
  const { while: condition, max_iterations: most } = node.config;
  for (;;) {
    const group = session.state.groups[key];
    if (group === undefined) enterLoop(session, visit, node, startedAt);
    if (group === undefined || isGroupDone(session.state, key)) {
      const round = group?.next ?? 0;
      const input = group === undefined ? visit.input : resultOf(session.state, key, false);
      const goesOn = condition === undefined ? round < most : await isTrue(session, visit, { condition, input, round });
      if (!session.isOpen(visit)) return;
      if (!goesOn) return leave(session, visit, { output: input, startedAt });
      if (round >= most) {
        const message = `The loop's condition still holds after ${most} rounds; raise max_iterations or mend the condition.`;
        return failVisit(session, visit, { error: { type: 'loop_limit', message }, startedAt });
      }
      session.state = openRound(session.plan, session.state, { visit, input });
    }
    if (!(await bodyEnds(session, visit))) return;
  }
}

function enterLoop(session: RunSession, visit: Visit, node: NodeOf<'loop'>, startedAt: number): void {
  session.record(visit, { status: 'running', startedAt });
  if (node.dialectKind === 'workflow') session.talk.trace('workflow.subworkflow.enter', node.id);
}

async function isTrue(
  session: RunSession,
  visit: Visit,
  { condition, input, round }: { readonly condition: string; readonly input: Value; readonly round: number },
): Promise<boolean> {
  const mappings = { while: { $expr: condition } };
  const { values } = await evaluateFor(session, visit, { mappings, input, index: round });
  return jsonOf(values['while'] ?? inline(false)) === true;
}
