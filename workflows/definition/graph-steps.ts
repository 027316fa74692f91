import { readsOfSite } from './graph-nodes.js';
import { listenId } from './graph-nodes.js';
import { talks, type Shape } from './graph-shape.js';
import type { Condition, Plan, Reads } from './plan.js';
import { pointerOf, type GraphProblem } from './problems.js';
import { EVERY_STEP } from './reads.js';

/** Expressions that read the outputs of nodes by id. */

export function stepProblems({ document, sites, ways }: Shape): readonly GraphProblem[] {
  const known = new Set<string>(document.nodes.map((node) => node.id));
  for (const [id, site] of sites) if (talks(site, document.engine)) known.add(listenId(id));
  const unknownOf = (reads: Reads | undefined): readonly string[] =>
    (reads?.steps ?? []).filter((id) => id !== EVERY_STEP && !known.has(id));
  const ofNodes = [...sites.values()].flatMap((site) =>
    unknownOf(readsOfSite(site)).map((id) => ({
      ...unknown(id),
      node_id: site.node.id,
      pointer: pointerOf(['nodes', site.index, 'config']),
    })),
  );
  const ofWays = ways.flatMap(({ id: edgeId, index, condition }) =>
    unknownOf(condition.type === 'cel' ? condition.reads : undefined).map((id) => ({
      ...unknown(id),
      ...(edgeId === undefined ? {} : { edge_id: edgeId }),
      pointer: pointerOf(['edges', index, 'condition', 'expr']),
    })),
  );
  return [...ofNodes, ...ofWays];
}

const unknown = (id: string) => ({
  code: 'unknown_step',
  severity: 'blocker' as const,
  message: `Correct steps.${id}: no node has this id; one with a dash in it is written steps["my-node"].`,
});

/** Where only the running expression knows which step it reads, every one is kept for it. */
export function withEveryStep(plan: Plan): Plan {
  const ids = Object.keys(plan.nodes);
  const open = (reads: Reads): Reads => {
    const { steps, prefix = '' } = reads;
    if (steps === undefined || !steps.includes(`${prefix}${EVERY_STEP}`)) return reads;
    return { ...reads, steps: ids.filter((id) => id.startsWith(prefix)) };
  };
  const ofCondition = (condition: Condition): Condition =>
    condition.type === 'cel' && condition.reads !== undefined
      ? { ...condition, reads: open(condition.reads) }
      : condition;
  return {
    ...plan,
    nodes: Object.fromEntries(
      Object.entries(plan.nodes).map(([id, node]) => [
        id,
        node.reads === undefined ? node : { ...node, reads: open(node.reads) },
      ]),
    ),
    edges: plan.edges.map((edge) => ({ ...edge, condition: ofCondition(edge.condition) })),
  };
}
