import { visitKey } from '../contract/ids.js';
import { executionClass, type Plan, type PlanNode } from '../definition/plan.js';
import { edgesFrom, edgesInto, isKept, nodeOf } from './graph.js';
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
  const next = last === undefined ? null : onlyNext(plan, last);
  return next !== null && isPlain(next) && !readsVarsOf(next, line) && !line.includes(next) ? next : null;
}

/** The node that always follows and is come to in no other way, if no expression wants the output in between. */
function onlyNext(plan: Plan, node: PlanNode): PlanNode | null {
  if (!isPlain(node) || isKept(plan, node.id)) return null;
  const [edge, ...more] = edgesFrom(plan, node.id, 'out');
  if (edge === undefined || more.length > 0 || edge.condition.type !== 'always') return null;
  return edgesInto(plan, edge.to).length === 1 ? nodeOf(plan, edge.to) : null;
}

/** Nothing outside the line may be told of, or ask about, what happens between its steps. */
const isPlain = (node: PlanNode): boolean =>
  executionClass(node) === 'fast' && node.undo === undefined && node.mutex === undefined && node.saveAs === undefined;

/** What a step reads travels with the line's start, so the line itself may not change it. */
const readsVarsOf = (node: PlanNode, line: readonly PlanNode[]): boolean =>
  node.reads?.vars === true && line.some((each) => each.kind !== 'notify' && each.kind !== 'channel_send');

/** Whether the run ends as soon as this line has succeeded: nothing else is under way and nothing follows. */
export function endsWith(
  plan: Plan,
  state: RunState,
  { head, last }: { readonly head: Visit; readonly last: PlanNode },
): boolean {
  const others = state.ready.length > 0 || Object.keys(state.open).some((key) => key !== visitKey(head));
  const arrived = Object.keys(state.arrivals).length > 0;
  const isLast = edgesFrom(plan, last.id, 'out').length === 0 && head.scope === '';
  return isLast && !others && !arrived && state.sinks.length === 0 && plan.outputSchema === undefined;
}
