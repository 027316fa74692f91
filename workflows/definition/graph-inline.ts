import { listenId } from './graph-nodes.js';
import type { Condition, Plan, PlanEdge, PlanNode, Reads } from './plan.js';

/** A published workflow becomes the body of a node of another: one round of a loop. */

export interface Inlined {
  readonly entry: string;
  readonly nodes: readonly PlanNode[];
  readonly edges: readonly PlanEdge[];
}

export function inlinePlan(whole: Plan, owner: string): Inlined {
  const prefix = `${owner}.`;
  const plan = spokenTo(whole);
  return {
    entry: `${prefix}${plan.entry}`,
    nodes: Object.values(plan.nodes).map((node) => moveNode(node, owner)),
    edges: plan.edges.map((edge) => ({
      ...edge,
      ...(edge.id === undefined ? {} : { id: `${prefix}${edge.id}` }),
      from: `${prefix}${edge.from}`,
      to: `${prefix}${edge.to}`,
      condition: moveCondition(edge.condition, prefix),
    })),
  };
}

/** Whoever comes here has been listened to by the workflow around this one. */
function spokenTo(plan: Plan): Plan {
  const first = plan.edges.find((edge) => edge.from === plan.entry)?.to;
  if (first === undefined || plan.entry !== listenId(first)) return plan;
  if (plan.edges.some((edge) => edge.to === plan.entry)) return { ...plan, entry: first };
  const { [plan.entry]: _listen, ...nodes } = plan.nodes;
  return { ...plan, entry: first, nodes, edges: plan.edges.filter((edge) => edge.from !== plan.entry) };
}

function moveNode(node: PlanNode, owner: string): PlanNode {
  const prefix = `${owner}.`;
  return {
    ...moveConfig(node, prefix),
    id: `${prefix}${node.id}`,
    within: node.within === undefined ? owner : `${prefix}${node.within}`,
    ...(node.undo === undefined ? {} : { undo: `${prefix}${node.undo}` }),
    ...(node.reads === undefined ? {} : { reads: moveReads(node.reads, prefix) }),
  };
}

/** Ids of nodes in configurations; an end ends the nested workflow, never the one around it. */
function moveConfig(node: PlanNode, prefix: string): PlanNode {
  const moved = (ids: readonly string[]): string[] => ids.map((id) => `${prefix}${id}`);
  if (node.kind === 'map') return { ...node, config: { ...node.config, entry: `${prefix}${node.config.entry}` } };
  if (node.kind === 'loop') return { ...node, config: { ...node.config, entry: `${prefix}${node.config.entry}` } };
  if (node.kind === 'cancel') return { ...node, config: { nodes: moved(node.config.nodes) } };
  if (node.kind === 'compensate' && node.config.nodes !== undefined)
    return { ...node, config: { nodes: moved(node.config.nodes) } };
  return node.kind === 'end' ? { ...node, config: { ...node.config, terminate: false } } : node;
}

const moveCondition = (condition: Condition, prefix: string): Condition =>
  condition.type === 'cel' && condition.reads !== undefined
    ? { ...condition, reads: moveReads(condition.reads, prefix) }
    : condition;

/** Expressions keep calling their steps what they called them. */
function moveReads(reads: Reads, prefix: string): Reads {
  if (reads.steps === undefined) return reads;
  return { ...reads, steps: reads.steps.map((id) => `${prefix}${id}`), prefix: `${prefix}${reads.prefix ?? ''}` };
}
