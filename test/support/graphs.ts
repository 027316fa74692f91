import { GraphDocument } from '../../workflows/definition/graph.js';
import { compileGraph, type CompileContext, type Compilation } from '../../workflows/definition/graph-plan.js';
import type { Plan, PlanNode } from '../../workflows/definition/plan.js';

/** Graphs as tests write them. */

export const nothingKnown: CompileContext = {
  id: 'wf_self',
  tools: new Set(['lookup']),
  definitions: new Map(),
  urlProblem: (url) => (url.includes('localhost') ? 'localhost is private' : null),
};

export const studio = (nodes: readonly object[], edges: readonly object[] = [], rest: object = {}): GraphDocument =>
  GraphDocument.parse({ nodes, edges, ...rest });

export const automation = (nodes: readonly object[], edges: readonly object[] = [], rest: object = {}): GraphDocument =>
  studio(nodes, edges, { engine: 'automation', ...rest });

export const compile = (document: GraphDocument, context: Partial<CompileContext> = {}): Compilation =>
  compileGraph(document, { ...nothingKnown, ...context });

/** The plan, or an error that tells why there is none. */
export function planOf(document: GraphDocument, context: Partial<CompileContext> = {}): Plan {
  const { plan, problems } = compile(document, context);
  if (plan === null) throw new Error(JSON.stringify(problems, null, 1));
  return plan;
}

export function nodeIn(plan: Plan, id: string): PlanNode {
  const node = plan.nodes[id];
  if (node === undefined) throw new Error(`no ${id} among ${Object.keys(plan.nodes).join(', ')}`);
  return node;
}

/** `[to, port, condition]` of the ways out of a node, in order. */
export const waysFrom = (plan: Plan, id: string): readonly (readonly unknown[])[] =>
  plan.edges
    .filter((edge) => edge.from === id)
    .map(({ to, port, condition }) => [to, port, condition.type === 'always' ? 'always' : condition]);

export const codesOf = (found: Compilation): readonly string[] => found.problems.map((problem) => problem.code);
