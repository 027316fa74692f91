import type { Condition, PlanEdge, PlanNode, Port } from '../definition/plan.js';
import { textOf, type Json } from '../definition/values.js';

export function holds(condition: Condition, value: Json): boolean {
  switch (condition.type) {
    case 'always':
      return true;
    case 'contains':
      return textOf(value).toLowerCase().includes(condition.text.toLowerCase());
  }
}

/** Edges leaving a node by one port, in the author's order. */
export const edgesFrom = (edges: readonly PlanEdge[], nodeId: string, port: Port): readonly PlanEdge[] =>
  edges.filter((edge) => edge.from === nodeId && edge.port === port);

/** A branch follows its first edge that holds, every other node all of them. */
export function chosen(
  node: PlanNode,
  candidates: readonly PlanEdge[],
  matches: readonly boolean[],
): readonly PlanEdge[] {
  const holding = candidates.filter((_, index) => matches[index] === true);
  return node.kind === 'branch' ? holding.slice(0, 1) : holding;
}
