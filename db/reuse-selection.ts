import { visitKey } from '../workflows/contract/ids.js';
import type { StepStatus } from '../workflows/contract/run.js';
import { executionClass, type Plan } from '../workflows/definition/plan.js';
import { isDeepStrictEqual } from 'node:util';
import type { Value } from '../workflows/definition/values.js';

/** A step of the earlier run, without what it gave. */
export interface PastStep {
  readonly key: string;
  readonly scope: string;
  readonly nodeId: string;
  readonly visit: number;
  readonly seq: number;
  readonly status: StepStatus;
  /** Of steps that undo others and of those they undo. */
  readonly input?: Value | null;
  readonly output?: Value | null;
}

/** One visit on the way from the root to a step: the maps and loops around it, and then itself. */
interface Level {
  readonly key: string;
  readonly nodeId: string;
  /** Of the item or round that the way goes on in; -1 for the step itself. */
  readonly index: number;
}

/**
 * The keys of the completed steps that a run continued from step `from` need not do again: all but that step, the maps
 * and loops around it, and what came after it and depends on it. What was undone is done again, and what depends on it.
 */
export function selectReuse(plan: Plan, steps: readonly PastStep[], from: PastStep): readonly string[] {
  const reach = reachability(plan);
  const undoing = new Set(Object.values(plan.nodes).flatMap(({ undo }) => undo ?? []));
  const anew = [from, ...undoneOf(plan, steps)].map((step) => ({ step, way: wayTo(step) }));
  return steps
    .filter(({ status, nodeId }) => status === 'completed' && isRecalled(plan, nodeId) && !undoing.has(nodeId))
    .filter((step) => {
      const way = wayTo(step);
      return anew.every((again) => isIndependent({ plan, reach }, { step, way }, again));
    })
    .map(({ key }) => key);
}

/** What the workflow works out itself costs nothing to do again, and a map or loop is only as good as its items. */
function isRecalled(plan: Plan, nodeId: string): boolean {
  const node = plan.nodes[nodeId];
  return node !== undefined && executionClass(node) !== 'inline' && node.kind !== 'map' && node.kind !== 'loop';
}

interface Placed {
  readonly step: PastStep;
  readonly way: readonly Level[];
}

/** Whether a step stays as it is when another is done anew: they part in one frame, or in two items of one map. */
function isIndependent(
  { plan, reach }: { readonly plan: Plan; readonly reach: (nodeId: string) => ReadonlySet<string> },
  { step, way }: Placed,
  again: Placed,
): boolean {
  for (const [depth, level] of way.entries()) {
    const other = again.way[depth];
    if (other === undefined) return false;
    if (level.key !== other.key) return step.seq <= again.step.seq || !reach(other.nodeId).has(level.nodeId);
    if (level.index !== other.index && level.index >= 0 && other.index >= 0) {
      return plan.nodes[level.nodeId]?.kind === 'map' || level.index < other.index;
    }
  }
  return false;
}

/** A frame is named by the visit it belongs to and its place in it: `each/1/3` is item 3 of `each/1`. */
function wayTo({ scope, nodeId, visit }: PastStep): readonly Level[] {
  const way: Level[] = [{ key: visitKey({ scope, nodeId, visit }), nodeId, index: -1 }];
  for (let parts = scope === '' ? [] : scope.split('/'); parts.length > 0; parts = parts.slice(0, -3)) {
    const [owner = '', , index = ''] = parts.slice(-3);
    way.unshift({ key: parts.slice(0, -1).join('/'), nodeId: owner, index: Number(index) });
  }
  return way;
}

/** The nodes that edges lead to from a node, by any number of them. */
function reachability(plan: Plan): (nodeId: string) => ReadonlySet<string> {
  const next = new Map<string, string[]>();
  for (const { from, to } of plan.edges) next.set(from, [...(next.get(from) ?? []), to]);
  const known = new Map<string, ReadonlySet<string>>();
  return (nodeId) => {
    const found = known.get(nodeId) ?? walk(next, nodeId);
    known.set(nodeId, found);
    return found;
  };
}

function walk(next: ReadonlyMap<string, readonly string[]>, nodeId: string): ReadonlySet<string> {
  const found = new Set<string>();
  const due = [...(next.get(nodeId) ?? [])];
  for (let at = due.pop(); at !== undefined; at = due.pop()) {
    if (found.has(at)) continue;
    found.add(at);
    due.push(...(next.get(at) ?? []));
  }
  return found;
}

/** Each completed undoing took back one visit of its frame: the one it was given, or else the newest. */
function undoneOf(plan: Plan, steps: readonly PastStep[]): readonly PastStep[] {
  const undone = new Set<PastStep>();
  const completed = steps.filter(({ status }) => status === 'completed').toSorted((a, b) => b.seq - a.seq);
  for (const undoing of completed.toReversed()) {
    const candidates = completed.filter(
      (step) => plan.nodes[step.nodeId]?.undo === undoing.nodeId && step.scope === undoing.scope && !undone.has(step),
    );
    const given = candidates.find(({ input, output }) =>
      isDeepStrictEqual(undoing.input, { parts: { input, output } }),
    );
    const taken = given ?? candidates[0];
    if (taken !== undefined) undone.add(taken);
  }
  return [...undone];
}
