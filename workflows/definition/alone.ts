import type { GraphDocument, GraphNode } from './graph.js';

/**
 * The graph as one of its nodes sees it, for a test of that node: it and its body as they are, every other node a mere
 * name. Null when there is no such node.
 */
export function graphAlone({ engine, nodes, edges }: GraphDocument, nodeId: string): GraphDocument | null {
  const tested = nodes.find((node) => node.id === nodeId);
  if (tested === undefined) return null;
  const body = new Set(insideOf(nodes, nodeId));
  // a graph has one beginning, so the names must be of a type that is none beside this one
  const type = tested.type === 'trigger' || tested.type === 'start' ? 'end' : 'trigger';
  const { within: _within, undo: _undo, mutex: _mutex, on_error: _policy, ...alone } = tested;
  return {
    engine,
    nodes: nodes.map((node) => {
      if (node.id === nodeId) return alone;
      return body.has(node.id) ? node : { id: node.id, type, config: {} };
    }),
    edges: edges.filter(({ source, target }) => body.has(source) && body.has(target)),
  };
}

/** Ids of the nodes in the body of a map or loop, however deep. */
function insideOf(nodes: readonly GraphNode[], ownerId: string): readonly string[] {
  return nodes
    .filter(({ id, within }) => within === ownerId && id !== ownerId)
    .flatMap(({ id }) => [id, ...insideOf(nodes, id)]);
}
