import type { NodeKind, Plan, PlanNode } from './plan.js';

/** A node that a run stands at: it runs, waits, is due, was arrived at, is a frame around such a node, or may undo one. */
export interface Position {
  readonly nodeId: string;
  readonly kind: NodeKind;
  readonly within?: string | undefined;
}

/** Where a run stands, as far as another version must fit it. */
export interface Standing {
  readonly positions: readonly Position[];
  /** Finished nodes whose results the run did not keep, since nothing of its version reads them. */
  readonly forgotten: readonly string[];
}

/** Why a run that stands there cannot go on with this plan, a sentence each; none when it can. */
export function incompatibilities({ positions, forgotten }: Standing, next: Plan): readonly string[] {
  const misplaced = distinct(positions).flatMap((position) => misfit(position, next.nodes[position.nodeId]));
  if (misplaced.length > 0) return misplaced;
  const here = new Set(positions.map(({ nodeId }) => nodeId));
  const read = readsAhead(next, here);
  const missing = forgotten.filter((id) => !here.has(id) && (read.has(id) || read.has(EVERY_STEP)));
  return [...new Set(missing)].map(
    (id) => `The new version reads steps.${id}, whose result this run did not keep; let it finish on its own version.`,
  );
}

/** What `reads.steps` says when only the running expression knows which. */
const EVERY_STEP = '*';

const distinct = (positions: readonly Position[]): readonly Position[] => [
  ...new Map(positions.map((position) => [position.nodeId, position])).values(),
];

function misfit({ nodeId, kind, within }: Position, node: PlanNode | undefined): readonly string[] {
  if (node === undefined) return [`The run stands at "${nodeId}", which the new version does not have.`];
  if (node.kind !== kind)
    return [`The run stands at "${nodeId}", of kind ${kind}; in the new version it is of kind ${node.kind}.`];
  if (node.within !== within)
    return [`The run stands at "${nodeId}" ${placeOf(within)}; in the new version it is ${placeOf(node.within)}.`];
  return [];
}

const placeOf = (within: string | undefined): string =>
  within === undefined ? 'outside every map and loop' : `in the body of "${within}"`;

/** The nodes whose results may still be read by what can come after these. */
function readsAhead(plan: Plan, from: ReadonlySet<string>): ReadonlySet<string> {
  const ahead = reachable(plan, from);
  const ofNodes = [...ahead].flatMap((id) => plan.nodes[id]?.reads?.steps ?? []);
  const ofEdges = plan.edges.flatMap(({ from: source, condition }) =>
    ahead.has(source) && condition.type === 'cel' ? (condition.reads?.steps ?? []) : [],
  );
  return new Set([...ofNodes, ...ofEdges]);
}

/** These nodes and all that can come after them. */
export function reachable(plan: Plan, from: Iterable<string>): ReadonlySet<string> {
  const seen = new Set(from);
  const waiting = [...seen];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    for (const next of successors(plan, id)) {
      if (seen.has(next)) continue;
      seen.add(next);
      waiting.push(next);
    }
  }
  return seen;
}

function successors(plan: Plan, id: string): readonly string[] {
  const node = plan.nodes[id];
  if (node === undefined) return [];
  const { within, undo } = node;
  return [
    ...plan.edges.filter(({ from }) => from === id).map(({ to }) => to),
    ...(node.kind === 'map' || node.kind === 'loop' ? [node.config.entry] : []),
    ...(within === undefined ? [] : [within]),
    ...(undo === undefined ? [] : [undo]),
  ];
}
