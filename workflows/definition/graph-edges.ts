import { exprProblem } from './expressions.js';
import { kindOfType, portsOf, type GraphType, type Site } from './graph-configs.js';
import type { GraphDocument, GraphEdge } from './graph.js';
import type { Condition, PlanEdge, Port } from './plan.js';
import { pointerOf, type GraphProblem } from './problems.js';
import { readsOfExpr } from './reads.js';

/** The edges of a graph as edges of the plan: ports, conditions, order. */

/** An edge of the plan with its place in the document. */
export interface Way extends PlanEdge {
  readonly index: number;
  readonly priority: number;
  /** Taken when nothing else is. */
  readonly isFallback: boolean;
}

export interface Ways {
  readonly ways: readonly Way[];
  readonly problems: readonly GraphProblem[];
}

type Reading =
  | { readonly condition: Condition; readonly isFallback: boolean }
  | { readonly code: string; readonly problem: string; readonly field: string };

const always: Condition = { type: 'always' };
const fallbacks = ['default', 'true', 'else', '*'];
const EQUALS = /^([A-Za-z_][\w-]*(?:\.[\w-]+)*)\s*==\s*(.*)$/s;

export function waysOf(document: GraphDocument, sites: ReadonlyMap<string, Site>): Ways {
  const ways: Way[] = [];
  const problems: GraphProblem[] = [];
  for (const [index, edge] of document.edges.entries()) {
    const source = sites.get(edge.source);
    if (source === undefined || !document.nodes.some((node) => node.id === edge.target)) continue;
    const reading = readWay(edge, source, document.engine);
    if ('problem' in reading) {
      const { code, problem: message, field } = reading;
      const id = edge.id === undefined ? {} : { edge_id: edge.id };
      const pointer = pointerOf(['edges', index, ...field.split('.')]);
      problems.push({ code, severity: 'blocker', ...id, pointer, message });
      ways.push({ ...unread(edge), index });
    } else ways.push({ ...reading, index });
  }
  return { ways: ordered(ways, sites), problems };
}

/** It leads from one node to another all the same. */
const unread = ({ id, source: from, target: to, priority = 0 }: GraphEdge): Omit<Way, 'index'> => ({
  ...(id === undefined ? {} : { id }),
  from,
  to,
  port: 'out',
  condition: { type: 'contains', text: '' },
  label: null,
  priority,
  isFallback: false,
});

function readWay(edge: GraphEdge, source: Site, engine: GraphDocument['engine']) {
  const port = readPort(edge, source.type);
  if (typeof port !== 'string') return port;
  const reading = source.type === 'switch' && port === 'out' ? readCase(edge, source) : readCondition(edge, engine);
  if ('problem' in reading) return reading;
  const { condition, isFallback } = reading;
  const { id, source: from, target: to, priority = 0, label } = edge;
  return {
    ...(id === undefined ? {} : { id }),
    from,
    to,
    port,
    condition,
    label: label === undefined || label === '' ? null : label,
    priority,
    isFallback,
  };
}

function readPort({ port, label }: GraphEdge, type: GraphType): Port | Extract<Reading, { problem: string }> {
  const ports = portsOf(kindOfType[type]);
  const named = ports.find((each) => each === (port ?? label?.trim().toLowerCase()));
  if (named !== undefined) return named;
  if (port === undefined || port === '') return ports[0];
  const problem = `Set the port to one of ${ports.join(', ')}: a ${type} has no port "${port}".`;
  return { code: 'bad_port', problem, field: 'port' };
}

/** Edges of a switch are its cases: compared as texts, so that 3 and true can be cases as well. */
function readCase({ label, condition }: GraphEdge, source: Site): Reading {
  const word = label?.trim() ?? '';
  const expr = condition?.expr.trim() ?? '';
  if (word.toLowerCase() === 'default' || fallbacks.includes(expr)) return { condition: always, isFallback: true };
  if (word === '')
    return {
      code: 'case_missing',
      problem: 'Label this edge with the value it is taken for, or "default".',
      field: 'label',
    };
  if (source.type !== 'switch' || exprProblem(source.config.on) !== null)
    return { condition: always, isFallback: false };
  return celCondition(`text(${source.config.on}) == ${JSON.stringify(word)}`);
}

function readCondition({ condition }: GraphEdge, engine: GraphDocument['engine']): Reading {
  const expr = condition?.expr.trim() ?? '';
  if (expr === '') return { condition: always, isFallback: false };
  if (fallbacks.includes(expr.toLowerCase())) return { condition: always, isFallback: true };
  const word = /^contains\s*:\s*(.+)$/is.exec(expr)?.[1];
  if (word !== undefined) return contains(word, engine);
  return engine === 'studio' ? studioCondition(expr) : automationCondition(expr);
}

const contains = (text: string, engine: GraphDocument['engine']): Reading => ({
  condition: { type: 'contains', text: text.trim(), ...(engine === 'studio' ? { of: 'message' as const } : {}) },
  isFallback: false,
});

const studioCondition = (expr: string): Reading => equalsOf(expr) ?? contains(expr, 'studio');

function automationCondition(expr: string): Reading {
  const problem = exprProblem(expr);
  if (problem === null) return celCondition(expr);
  const message = `Correct this condition: ${problem} It may be CEL, default, contains:word or var.path == value.`;
  return equalsOf(expr) ?? { code: 'bad_condition', problem: message, field: 'condition.expr' };
}

function celCondition(expr: string): Reading {
  const reads = readsOfExpr(expr);
  const part = Object.keys(reads).length === 0 ? {} : { reads };
  return { condition: { type: 'cel', expr, ...part }, isFallback: false };
}

function equalsOf(expr: string): Reading | null {
  const [, path, value] = EQUALS.exec(expr) ?? [];
  if (path === undefined || value === undefined) return null;
  const bare = value.trim();
  const quoted = /^(["'])(.*)\1$/s.exec(bare)?.[2];
  return { condition: { type: 'equals', path, value: quoted ?? bare }, isFallback: false };
}

/** In ascending priority, then as written; where one way is chosen, those without a condition come last. */
function ordered(ways: readonly Way[], sites: ReadonlyMap<string, Site>): readonly Way[] {
  const isLast = (way: Way): boolean =>
    way.isFallback || (way.condition.type === 'always' && sites.get(way.from)?.type !== 'parallel');
  return ways.toSorted(
    (a, b) =>
      Number(a.isFallback) - Number(b.isFallback) ||
      Number(isLast(a)) - Number(isLast(b)) ||
      a.priority - b.priority ||
      a.index - b.index,
  );
}

export function planEdge({ index: _index, priority: _priority, isFallback: _isFallback, ...edge }: Way): PlanEdge {
  return edge;
}
