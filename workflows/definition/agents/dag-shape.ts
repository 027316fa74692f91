import { pointerOf, type GraphProblem, type Path } from '../problems.js';
import { dagPlanIds, type DagConnection, type DagDocument, type DagNode } from './dag-document.js';

/** What is wrong with the drawing itself: ids, ends, entry, exits, circles. */

export const problemAt = (
  code: string,
  found: { readonly path: Path; readonly message: string; readonly node?: string; readonly isWarning?: boolean },
): GraphProblem => ({
  code,
  severity: found.isWarning === true ? 'warning' : 'blocker',
  ...(found.node === undefined ? {} : { node_id: found.node }),
  pointer: pointerOf(found.path),
  message: found.message,
});

/** Connections that lead from one node that exists to another. */
export const soundConnections = ({ nodes, connections }: DagDocument): readonly DagConnection[] => {
  const ids = new Set(nodes.map(({ id }) => id));
  return connections.filter((each) => ids.has(each.source_id) && ids.has(each.target_id));
};

export const connectionsFrom = (document: DagDocument, nodeId: string): readonly DagConnection[] =>
  soundConnections(document).filter(({ source_id: source }) => source === nodeId);

export function dagShapeProblems(document: DagDocument): readonly GraphProblem[] {
  const idProblems = document.nodes.flatMap((node, index) => nodeIdProblems(document, node, index));
  return [
    ...idProblems,
    ...entryProblems(document),
    ...endProblems(document),
    ...doubleProblems(document),
    ...circleProblems(document),
    ...reachProblems(document),
  ];
}

const reserved: readonly string[] = Object.values(dagPlanIds);

function nodeIdProblems({ nodes }: DagDocument, { id }: DagNode, index: number): readonly GraphProblem[] {
  const path = ['nodes', index, 'id'];
  if (reserved.includes(id)) {
    const message = `Give this node another id: "${id}" is a name of the call itself.`;
    return [problemAt('reserved_id', { path, node: id, message })];
  }
  if (nodes.findIndex((node) => node.id === id) === index) return [];
  const message = `Give this node another id: a node before it is called "${id}".`;
  return [problemAt('duplicate_id', { path, node: id, message })];
}

function entryProblems({ nodes }: DagDocument): readonly GraphProblem[] {
  const entries = nodes.flatMap((node, index) => (node.is_entry ? [{ node, index }] : []));
  const [first, ...more] = entries;
  const exits = nodes.some(({ is_exit: isExit }) => isExit);
  const noExit = 'Set is_exit on at least one node: a call must be able to end.';
  return [
    ...(first === undefined
      ? [problemAt('no_entry', { path: ['nodes'], message: 'Set is_entry on one node: a call begins there.' })]
      : []),
    ...more.map(({ node, index }) => {
      const message = `Clear is_entry here or on "${first?.node.id}": a call begins at exactly one node.`;
      return problemAt('several_entries', { path: ['nodes', index, 'is_entry'], node: node.id, message });
    }),
    ...(exits ? [] : [problemAt('no_exit', { path: ['nodes'], message: noExit })]),
  ];
}

function endProblems({ nodes, connections }: DagDocument): readonly GraphProblem[] {
  const ids = new Set(nodes.map(({ id }) => id));
  return connections.flatMap((connection, index) =>
    (['source_id', 'target_id'] as const).flatMap((end) => {
      if (ids.has(connection[end])) return [];
      const message = `Set ${end} to the id of a node: there is no "${connection[end]}".`;
      return [problemAt('unknown_node', { path: ['connections', index, end], message })];
    }),
  );
}

function doubleProblems({ connections }: DagDocument): readonly GraphProblem[] {
  const isSame = (a: DagConnection, b: DagConnection): boolean =>
    a.source_id === b.source_id && a.target_id === b.target_id;
  return connections.flatMap((connection, index) => {
    if (connections.findIndex((each) => isSame(each, connection)) === index) return [];
    const { source_id: source, target_id: target } = connection;
    const message = `Remove this connection: another leads from "${source}" to "${target}" already.`;
    return [problemAt('double_connection', { path: ['connections', index], node: source, message })];
  });
}

/** Each connection that closes a circle, looked for from every node in order. */
function circleProblems(document: DagDocument): readonly GraphProblem[] {
  const closing = new Set<DagConnection>();
  const done = new Set<string>();
  const visit = (id: string, above: readonly string[]): void => {
    if (done.has(id)) return;
    for (const connection of connectionsFrom(document, id)) {
      const { target_id: target } = connection;
      if (target === id || above.includes(target)) closing.add(connection);
      else visit(target, [...above, id]);
    }
    done.add(id);
  };
  for (const { id } of document.nodes) visit(id, []);
  return document.connections.flatMap((connection, index) => {
    if (!closing.has(connection)) return [];
    const { source_id: source, target_id: target } = connection;
    const message = `Remove this connection: from "${target}" a call comes to "${source}" already, so it would go round in a circle.`;
    return [problemAt('circle', { path: ['connections', index], node: source, message })];
  });
}

/** Nodes where a call may come to from one. */
export function reachedFrom(document: DagDocument, start: string): ReadonlySet<string> {
  const reached = new Set<string>();
  const visit = (id: string): void => {
    if (reached.has(id)) return;
    reached.add(id);
    for (const { target_id: target } of connectionsFrom(document, id)) visit(target);
  };
  visit(start);
  return reached;
}

/** Nothing can be said about it before there is one entry and all ends are known. */
function reachProblems(document: DagDocument): readonly GraphProblem[] {
  const entries = document.nodes.filter(({ is_entry: isEntry }) => isEntry);
  const [entry] = entries;
  const isBroken = entries.length !== 1 || endProblems(document).length > 0;
  if (entry === undefined || isBroken) return [];
  const reached = reachedFrom(document, entry.id);
  return document.nodes.flatMap((node, index) => {
    if (reached.has(node.id)) return [];
    const message = 'Lead a connection to this node or remove it: no call ever comes here.';
    return [problemAt('unreachable', { path: ['nodes', index], node: node.id, message })];
  });
}
