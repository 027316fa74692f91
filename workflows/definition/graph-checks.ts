import { typeOf, type Site } from './graph-configs.js';
import { isChoosing, isEffect, reachableFrom, splits, type Shape } from './graph-shape.js';
import { pointerOf, type GraphProblem, type Path } from './problems.js';

/** What is wrong between the nodes. */

export const MOST_NODES = 500;

type Severity = GraphProblem['severity'];

const at = (site: Site, code: string, found: { path: Path; message: string; severity?: Severity }): GraphProblem => ({
  code,
  severity: found.severity ?? 'blocker',
  node_id: site.node.id,
  pointer: pointerOf(['nodes', site.index, ...found.path]),
  message: found.message,
});

export function shapeProblems(shape: Shape, entry: string | null): readonly GraphProblem[] {
  const sites = [...shape.sites.values()];
  return [
    ...sites.flatMap((site) => [
      ...bodyProblems(site, shape),
      ...undoProblems(site, shape),
      ...namedNodeProblems(site, shape),
      ...errorProblems(site, shape),
      ...choiceProblems(site, shape),
      ...joinProblems(site, shape),
    ]),
    ...edgeProblems(shape),
    ...(entry === null || shape.sites.size < shape.document.nodes.length ? [] : reachProblems(shape, entry)),
  ];
}

/** A node whose own problems must be mended before anything can be said about others that name it. */
const isBroken = (id: string, { document, sites }: Shape): boolean =>
  !sites.has(id) && document.nodes.some((node) => node.id === id);

/** Bodies of maps and loops: an entry inside, and no edge across the border. */
function bodyProblems(site: Site, shape: Shape): readonly GraphProblem[] {
  const { sites } = shape;
  const { within } = site.node;
  const problems = within === undefined || isBroken(within, shape) ? [] : withinProblems(site, within, shape);
  if ((site.type !== 'map' && site.type !== 'loop') || isBroken(site.config.entry, shape)) return problems;
  const { entry } = site.config;
  if (sites.get(entry)?.node.within === site.node.id) return problems;
  const message = `Set config.entry to the first node of the body: "${entry}" is no node with within "${site.node.id}".`;
  return [...problems, at(site, 'bad_body', { path: ['config', 'entry'], message })];
}

function withinProblems(site: Site, within: string, { sites }: Shape): readonly GraphProblem[] {
  const wrong = (message: string) => [at(site, 'bad_within', { path: ['within'], message })];
  const type = sites.get(within)?.type;
  if (type !== 'map' && type !== 'loop') return wrong(`Set within to the id of a map or loop: "${within}" is none.`);
  return isInside(site, sites, site.node.id) ? wrong('Clear within: this node would be inside itself.') : [];
}

function isInside(site: Site, sites: Shape['sites'], id: string): boolean {
  const seen = new Set<string>();
  for (let each = site.node.within; each !== undefined && !seen.has(each); each = sites.get(each)?.node.within) {
    if (each === id) return true;
    seen.add(each);
  }
  return false;
}

function undoProblems(site: Site, shape: Shape): readonly GraphProblem[] {
  const { sites, ways } = shape;
  const { undo } = site.node;
  if (undo === undefined || isBroken(undo, shape)) return [];
  const wrong = (message: string) => [at(site, 'bad_undo', { path: ['undo'], message })];
  const target = sites.get(undo);
  if (target === undefined) return wrong(`Set undo to a node that exists: there is no "${undo}".`);
  if (!isEffect(target))
    return wrong(`Set undo to a node that does something, such as http or tool: "${undo}" is a ${target.type}.`);
  if (ways.some((way) => way.to === undo))
    return wrong(`Remove the edges to "${undo}": a node that undoes another is only called by the engine.`);
  return [];
}

/** Nodes that a compensate or cancel names. */
function namedNodeProblems(site: Site, shape: Shape): readonly GraphProblem[] {
  if (site.type !== 'compensate' && site.type !== 'cancel') return [];
  return (site.config.nodes ?? []).flatMap((id, index) => {
    const path = ['config', 'nodes', index];
    const target = shape.sites.get(id);
    if (isBroken(id, shape)) return [];
    if (target === undefined)
      return [at(site, 'unknown_node', { path, message: `Name a node that exists: there is no "${id}".` })];
    if (site.type === 'cancel' || target.node.undo !== undefined) return [];
    const message = `Give "${id}" an undo, or take it out of this list: nothing undoes it.`;
    return [at(site, 'nothing_to_undo', { path, message })];
  });
}

function errorProblems(site: Site, { ways }: Shape): readonly GraphProblem[] {
  const { on_error: policy } = site.node;
  const action = typeof policy === 'string' ? policy : policy?.action;
  const hasWay = ways.some((way) => way.from === site.node.id && way.port === 'error');
  if (action === 'route' && !hasWay)
    return [
      at(site, 'no_error_way', {
        path: ['on_error'],
        message: 'Add an edge with the port "error" from this node, or choose another on_error.',
      }),
    ];
  if (action === undefined || action === 'route' || !hasWay) return [];
  const message = `Set on_error to "route", or remove the edge of port "error": with "${action}" it is never taken.`;
  return [at(site, 'error_way_unused', { path: ['on_error'], message, severity: 'warning' })];
}

function choiceProblems(site: Site, { ways }: Shape): readonly GraphProblem[] {
  const out = ways.filter((way) => way.from === site.node.id && way.port !== 'error');
  const warn = (code: string, message: string) => [at(site, code, { path: [], message, severity: 'warning' })];
  if (site.type === 'end' && out.length > 0)
    return warn('end_goes_on', 'Remove the edges from this end: a path ends here.');
  if (!isChoosing(site)) return [];
  if (out.length === 0)
    return warn('no_ways', `Add edges from this ${site.node.type}: it has nothing to choose between.`);
  if (out.some((way) => way.condition.type === 'always')) return [];
  const message = `Add an edge with the condition "default" to this ${site.node.type}: without one its path ends when nothing matches.`;
  return warn('no_fallback', message);
}

function joinProblems(site: Site, { ways }: Shape): readonly GraphProblem[] {
  if (site.type !== 'join') return [];
  const sources = ways.filter((way) => way.to === site.node.id).length;
  const { need } = site.config;
  if (typeof need === 'number' && need > sources) {
    const message = `Set config.need to at most ${sources}, or lead more edges here: so many can never arrive.`;
    return [at(site, 'join_needs_too_many', { path: ['config', 'need'], message })];
  }
  if (sources > 1) return [];
  const message = 'Lead at least two edges to this join, or remove it: there is nothing to wait for.';
  return [at(site, 'join_alone', { path: [], message, severity: 'warning' })];
}

function edgeProblems({ document, sites, ways }: Shape): readonly GraphProblem[] {
  const ids = document.edges.map((edge) => edge.id);
  const doubles = document.edges.flatMap(({ id }, index): readonly GraphProblem[] => {
    if (id === undefined || ids.indexOf(id) === index) return [];
    const message = `Give this edge another id: an edge before it is called "${id}".`;
    return [
      {
        code: 'duplicate_edge_id',
        severity: 'blocker',
        edge_id: id,
        pointer: pointerOf(['edges', index, 'id']),
        message,
      },
    ];
  });
  const crossing = ways.flatMap((way): readonly GraphProblem[] => {
    if (sites.get(way.from)?.node.within === sites.get(way.to)?.node.within) return [];
    const message = `Keep this edge inside one body: "${way.from}" and "${way.to}" belong to different maps or loops (see within).`;
    return [
      {
        code: 'edge_leaves_body',
        severity: 'blocker',
        ...edgeId(way.id),
        pointer: pointerOf(['edges', way.index]),
        message,
      },
    ];
  });
  return [...doubles, ...crossing, ...shadowedProblems({ document, sites, ways })];
}

const edgeId = (id: string | undefined) => (id === undefined ? {} : { edge_id: id });

/** A second way without a condition, where only one is followed. */
function shadowedProblems({ sites, ways }: Shape): readonly GraphProblem[] {
  return ways.flatMap((way, index): readonly GraphProblem[] => {
    const site = sites.get(way.from);
    if (site === undefined || splits(site)) return [];
    const isShadowed = ways
      .slice(0, index)
      .some((each) => each.from === way.from && each.port === way.port && each.condition.type === 'always');
    if (!isShadowed) return [];
    const message = `Give the edges of "${way.from}" conditions, or put a parallel node in between: only the first of them is followed.`;
    return [
      {
        code: 'never_taken',
        severity: 'warning',
        ...edgeId(way.id),
        pointer: pointerOf(['edges', way.index]),
        message,
      },
    ];
  });
}

function reachProblems(shape: Shape, entry: string): readonly GraphProblem[] {
  const reached = reachableFrom(entry, shape);
  return [...shape.sites.values()]
    .filter(({ node }) => !reached.has(node.id))
    .map((site) =>
      at(site, 'unreachable', {
        path: [],
        message: 'Lead an edge to this node or remove it: no run ever comes here.',
        severity: 'warning',
      }),
    );
}

/** Types that are unknown, or refused by the engine the document names. */
export function typeProblems({ nodes, engine }: Shape['document']): readonly GraphProblem[] {
  return nodes.flatMap((node, index): readonly GraphProblem[] => {
    const check = typeOf(node, engine);
    if ('type' in check) return [];
    const pointer = pointerOf(['nodes', index, 'type']);
    return [{ code: check.code, severity: 'blocker', node_id: node.id, pointer, message: check.problem }];
  });
}
