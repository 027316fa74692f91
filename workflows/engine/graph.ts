import { EVERY_STEP } from '../definition/reads.js';
import type { Plan, PlanEdge, PlanNode, Port } from '../definition/plan.js';

/** What is asked of a plan again and again, worked out once a plan. */
interface Index {
  readonly out: ReadonlyMap<string, readonly PlanEdge[]>;
  readonly in: ReadonlyMap<string, readonly PlanEdge[]>;
  /** For each join the nodes its edges come from. */
  readonly sources: ReadonlyMap<string, readonly string[]>;
  /** Nodes whose output some expression reads. */
  readonly kept: ReadonlySet<string>;
}

const indexes = new WeakMap<Plan, Index>();
const NONE: readonly never[] = [];

function indexOf(plan: Plan): Index {
  const known = indexes.get(plan);
  if (known !== undefined) return known;
  const into = groupEdges(plan.edges, (edge) => edge.to);
  const index = {
    out: groupEdges(plan.edges, (edge) => edge.from),
    in: into,
    sources: new Map([...into].map(([id, edges]) => [id, [...new Set(edges.map((edge) => edge.from))]])),
    kept: keptNodes(plan),
  };
  indexes.set(plan, index);
  return index;
}

function groupEdges(edges: readonly PlanEdge[], by: (edge: PlanEdge) => string): Map<string, PlanEdge[]> {
  const groups = new Map<string, PlanEdge[]>();
  for (const edge of edges) groups.set(by(edge), [...(groups.get(by(edge)) ?? []), edge]);
  return groups;
}

function keptNodes(plan: Plan): ReadonlySet<string> {
  const ofNodes = Object.values(plan.nodes).flatMap((node) => node.reads?.steps ?? []);
  const ofEdges = plan.edges.flatMap(({ condition }) =>
    condition.type === 'cel' ? (condition.reads?.steps ?? []) : [],
  );
  return new Set([...ofNodes, ...ofEdges]);
}

export const nodeOf = (plan: Plan, nodeId: string): PlanNode => {
  const node = plan.nodes[nodeId];
  if (node === undefined) throw new RangeError(`the plan has no node ${nodeId}`);
  return node;
};

/** Edges leaving a node by one port, in the author's order. */
export const edgesFrom = (plan: Plan, nodeId: string, port: Port): readonly PlanEdge[] =>
  (indexOf(plan).out.get(nodeId) ?? NONE).filter((edge) => edge.port === port);

export const edgesInto = (plan: Plan, nodeId: string): readonly PlanEdge[] => indexOf(plan).in.get(nodeId) ?? NONE;

export const sourcesOf = (plan: Plan, nodeId: string): readonly string[] => indexOf(plan).sources.get(nodeId) ?? NONE;

export function isKept(plan: Plan, nodeId: string): boolean {
  const { kept } = indexOf(plan);
  return kept.has(nodeId) || kept.has(EVERY_STEP);
}

/** The given nodes and all that can be come to from them without passing through `barrier`. */
export function reachable(plan: Plan, from: Iterable<string>, barrier: string): ReadonlySet<string> {
  const { out } = indexOf(plan);
  const seen = new Set<string>();
  const queue = [...from];
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (id === barrier || seen.has(id)) continue;
    seen.add(id);
    for (const edge of out.get(id) ?? NONE) queue.push(edge.to);
  }
  return seen;
}
