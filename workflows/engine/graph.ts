import type { Plan, PlanEdge, PlanNode, Port } from '../definition/plan.js';
import { EVERY_STEP } from '../definition/reads.js';

/** What is asked of a plan again and again, worked out once a plan. */
interface Index {
  readonly out: ReadonlyMap<string, readonly PlanEdge[]>;
  readonly in: ReadonlyMap<string, readonly PlanEdge[]>;
  /** For each node the nodes its edges come from. */
  readonly sources: ReadonlyMap<string, readonly string[]>;
  /** Ids of nodes whose output some expression reads. */
  readonly kept: ReadonlySet<string>;
  /** Places of the nodes in the document. */
  readonly places: ReadonlyMap<string, number>;
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
    places: new Map(Object.keys(plan.nodes).map((id, place) => [id, place])),
  };
  indexes.set(plan, index);
  return index;
}

function groupEdges(edges: readonly PlanEdge[], by: (edge: PlanEdge) => string): Map<string, PlanEdge[]> {
  const groups = new Map<string, PlanEdge[]>();
  for (const edge of edges) {
    const group = groups.get(by(edge));
    if (group === undefined) groups.set(by(edge), [edge]);
    else group.push(edge);
  }
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
  edgesOutOf(plan, nodeId).filter((edge) => edge.port === port);

export const edgesOutOf = (plan: Plan, nodeId: string): readonly PlanEdge[] => indexOf(plan).out.get(nodeId) ?? NONE;

export const edgesInto = (plan: Plan, nodeId: string): readonly PlanEdge[] => indexOf(plan).in.get(nodeId) ?? NONE;

export const sourcesOf = (plan: Plan, nodeId: string): readonly string[] => indexOf(plan).sources.get(nodeId) ?? NONE;

/** Some expressions say only while they run which node they read: then all outputs are kept. */
export function isKept(plan: Plan, nodeId: string): boolean {
  const { kept } = indexOf(plan);
  return kept.has(nodeId) || kept.has(EVERY_STEP);
}

/** The order of nodes in the document: what has no other order goes by it, so that it never depends on who was first. */
export function inPlanOrder<T>(plan: Plan, things: readonly T[], nodeIdOf: (thing: T) => string): readonly T[] {
  const { places } = indexOf(plan);
  const placeOf = (thing: T): number => places.get(nodeIdOf(thing)) ?? 0;
  return things.toSorted((a, b) => placeOf(a) - placeOf(b));
}
