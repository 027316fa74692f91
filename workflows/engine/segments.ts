import { executionClass, type Plan, type PlanNode } from '../definition/plan.js';
import { edgesFrom } from './conditions.js';
import { nodeOf } from './reduce.js';
import type { RunState, Visit } from './state.js';

const LONGEST_LINE = 20;

/**
 * The nodes one activity executes from here: the node itself and, while all are `fast`, those that follow it in a
 * plain line. Short of a fast line an activity does exactly one node.
 */
export function lineFrom(plan: Plan, nodeId: string): readonly PlanNode[] {
  const line = [nodeOf(plan, nodeId)];
  for (let next = follower(plan, line); next !== null && line.length < LONGEST_LINE; next = follower(plan, line)) {
    line.push(next);
  }
  return line;
}

function follower(plan: Plan, line: readonly PlanNode[]): PlanNode | null {
  const last = line.at(-1);
  if (last === undefined || executionClass(last) !== 'fast') return null;
  const [edge, ...more] = edgesFrom(plan.edges, last.id, 'out');
  if (edge === undefined || more.length > 0 || edge.condition.type !== 'always') return null;
  const next = nodeOf(plan, edge.to);
  const alone = plan.edges.filter((each) => each.to === next.id).length === 1;
  return alone && executionClass(next) === 'fast' && !line.includes(next) ? next : null;
}

/** Whether the run ends as soon as this line has succeeded: nothing else is under way and nothing follows. */
export function endsWith(
  plan: Plan,
  state: RunState,
  { head, last }: { readonly head: Visit; readonly last: PlanNode },
): boolean {
  const others = Object.values(state.open).some((visit) => visit !== head) || state.ready.length > 0;
  const arrived = Object.values(state.arrivals).some((each) => each.length > 0);
  return !others && !arrived && state.sinks.length === 0 && edgesFrom(plan.edges, last.id, 'out').length === 0;
}
