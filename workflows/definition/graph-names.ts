import type { Site } from './graph-configs.js';
import { listenId } from './graph-nodes.js';
import { talks } from './graph-shape.js';
import { GraphEdge, GraphNode, type GraphDocument } from './graph.js';
import { pointerOf, type GraphProblem, type Path } from './problems.js';

/** Names that the compiler gives itself, and keys that look like others. */

export function nameProblems(document: GraphDocument, sites: ReadonlyMap<string, Site>): readonly GraphProblem[] {
  return [...reservedIds(document, sites), ...likelyKeys(document)];
}

function reservedIds({ nodes, engine }: GraphDocument, sites: ReadonlyMap<string, Site>): readonly GraphProblem[] {
  const talkers = [...sites.values()]
    .filter((site) => engine === 'studio' || talks(site, engine))
    .map(({ node }) => node.id);
  const nests = [...sites.values()].filter(({ type }) => type === 'workflow').map(({ node }) => node.id);
  return nodes.flatMap(({ id }, index): readonly GraphProblem[] => {
    if (!talkers.some((talker) => id === listenId(talker)) && !nests.some((nest) => id.startsWith(`${nest}.`)))
      return [];
    const message = `Give this node another id: "${id}" is what the engine calls a part of another node.`;
    return [
      { code: 'reserved_id', severity: 'blocker', node_id: id, pointer: pointerOf(['nodes', index, 'id']), message },
    ];
  });
}

/** Editors keep keys of their own in a graph; a key that nearly is one of ours is a slip of the pen. */
function likelyKeys({ nodes, edges }: GraphDocument): readonly GraphProblem[] {
  return [
    ...nodes.flatMap((node, index) =>
      slips(node, Object.keys(GraphNode.shape)).map((slip) => warn(['nodes', index], slip, { node_id: node.id })),
    ),
    ...edges.flatMap((edge, index) =>
      slips(edge, Object.keys(GraphEdge.shape)).map((slip) =>
        warn(['edges', index], slip, edge.id === undefined ? {} : { edge_id: edge.id }),
      ),
    ),
  ];
}

interface Slip {
  readonly key: string;
  readonly meant: string;
}

const warn = (path: Path, { key, meant }: Slip, at: Partial<GraphProblem>): GraphProblem => ({
  code: 'unknown_key',
  severity: 'warning',
  ...at,
  pointer: pointerOf([...path, key]),
  message: `Rename ${key} to ${meant}, or remove it: it has no effect.`,
});

function slips(value: object, known: readonly string[]): readonly Slip[] {
  return Object.keys(value).flatMap((key) => {
    if (known.includes(key)) return [];
    const meant = known.find((each) => each.length > 3 && distance(bare(key), bare(each)) <= 1);
    return meant === undefined ? [] : [{ key, meant }];
  });
}

const bare = (key: string): string => key.toLowerCase().replaceAll(/[^a-z]/g, '');

/** Letters to change, add or leave out. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of a.split('').entries()) {
    const next = [i + 1];
    for (const [j, other] of b.split('').entries()) {
      const changed = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(changed, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
