import { schemaFor, typeOf, type GraphType, type Site } from './graph-configs.js';
import type { CompileContext } from './graph-context.js';
import { MOST_NODES, shapeProblems, typeProblems } from './graph-checks.js';
import { planEdge, waysOf } from './graph-edges.js';
import { nameProblems } from './graph-names.js';
import { inlinePlan } from './graph-inline.js';
import { listenId, listenNode, planNode } from './graph-nodes.js';
import { siteProblems } from './graph-references.js';
import { entryOf, greetingFrom, listeners, talks, type Shape } from './graph-shape.js';
import { stepProblems, withEveryStep } from './graph-steps.js';
import { structureProblems, type GraphDocument, type GraphNode } from './graph.js';
import { schemaProblem } from './json-schema.js';
import type { Plan, PlanEdge, PlanNode } from './plan.js';
import { issueMessage, pointerOf, type GraphProblem } from './problems.js';
import type { Json } from './values.js';

export type { CompileContext, KnownDefinition } from './graph-context.js';
export type { GraphProblem } from './problems.js';

export interface Compilation {
  /** Null while there is a blocker. */
  readonly plan: Plan | null;
  readonly problems: readonly GraphProblem[];
}

/** Compiles a graph, or says all that stands in the way of it. Pure. */
export function compileGraph(document: GraphDocument, context: CompileContext): Compilation {
  const { sites, problems: configProblems } = sitesOf(document);
  const { ways, problems: wayProblems } = waysOf(document, sites);
  const shape: Shape = { document, sites, ways };
  const entry = entryOf(shape);
  const found: readonly GraphProblem[] = [
    ...structureProblems(document),
    ...sizeProblems(document),
    ...typeProblems(document),
    ...nameProblems(document, sites),
    ...configProblems,
    ...documentSchemas(document),
    ...('problem' in entry ? entryProblems(shape, entry) : []),
    ...[...sites.values()].flatMap((site) => siteProblems(site, context)),
    ...wayProblems,
    ...shapeProblems(shape, 'id' in entry ? entry.id : null),
    ...stepProblems(shape),
  ];
  const problems = found.toSorted((a, b) => Number(a.severity === 'warning') - Number(b.severity === 'warning'));
  if ('problem' in entry || problems.some((each) => each.severity === 'blocker')) return { plan: null, problems };
  const plan = assemble(shape, entry.id, context);
  const many = planSizeProblems(plan);
  return { plan: many.length > 0 ? null : plan, problems: [...many, ...problems] };
}

/** The nodes whose type and configuration are right. */
function sitesOf(document: GraphDocument): {
  readonly sites: ReadonlyMap<string, Site>;
  readonly problems: readonly GraphProblem[];
} {
  const sites = new Map<string, Site>();
  const problems: GraphProblem[] = [];
  for (const [index, node] of document.nodes.entries()) {
    const check = typeOf(node, document.engine);
    if (!('type' in check) || sites.has(node.id)) continue;
    const read = siteOf(node, index, check.type);
    if ('problems' in read) problems.push(...read.problems);
    else sites.set(node.id, read.site);
  }
  return { sites, problems };
}

function siteOf(
  node: GraphNode,
  index: number,
  type: GraphType,
): { readonly site: Site } | { readonly problems: readonly GraphProblem[] } {
  const read = schemaFor(type, node.config).safeParse(node.config, { reportInput: true });
  // -- reason: the schema is that of the type; the compiler cannot relate the two
  if (read.success) return { site: { type, config: read.data, node, index } as Site };
  return {
    problems: read.error.issues.map((issue): GraphProblem => ({
      code: 'bad_config',
      severity: 'blocker',
      node_id: node.id,
      pointer: pointerOf([
        'nodes',
        index,
        'config',
        ...issue.path.map((part) => (typeof part === 'symbol' ? '' : part)),
      ]),
      message: issueMessage(issue, `the config of ${node.type}`),
    })),
  };
}

function sizeProblems({ nodes }: GraphDocument): readonly GraphProblem[] {
  if (nodes.length <= MOST_NODES) return [];
  const message = `Move parts into workflows of their own (workflow or subflow): ${nodes.length} nodes are more than ${MOST_NODES}.`;
  return [{ code: 'too_many_nodes', severity: 'blocker', pointer: '/nodes', message }];
}

const MOST_INLINED = 2_000;

function planSizeProblems(plan: Plan): readonly GraphProblem[] {
  const count = Object.keys(plan.nodes).length;
  if (count <= MOST_INLINED) return [];
  const message = `Call nested workflows by a subflow: together with them this one has ${count} nodes, more than ${MOST_INLINED}.`;
  return [{ code: 'too_many_nodes', severity: 'blocker', pointer: '/nodes', message }];
}

function documentSchemas(document: GraphDocument): readonly GraphProblem[] {
  return (['input_schema', 'output_schema'] as const).flatMap((key): readonly GraphProblem[] => {
    const schema = document[key];
    const problem = schema === undefined ? null : schemaProblem(schema);
    if (problem === null) return [];
    const pointer = pointerOf([key, ...problem.path]);
    return [{ code: 'bad_schema', severity: 'blocker', pointer, message: problem.message }];
  });
}

/** While nodes are broken nobody knows which of the others is first. */
function entryProblems(
  { document, sites }: Shape,
  { code, problem }: { readonly code: string; readonly problem: string },
): readonly GraphProblem[] {
  const isBroken = sites.size < document.nodes.length;
  const hasRoot = document.nodes.some(({ type }) => ['instruction_agent', 'trigger', 'start'].includes(type));
  if (isBroken && (hasRoot || code !== 'no_entry')) return [];
  return [{ code, severity: 'blocker', pointer: '/nodes', message: problem }];
}

function assemble(shape: Shape, entryId: string, context: CompileContext): Plan {
  const { document, sites, ways } = shape;
  const all = [...sites.values()];
  const nodes: PlanNode[] = [];
  const edges: PlanEdge[] = ways.map(planEdge);
  for (const site of all) {
    const hasErrorEdge = ways.some((way) => way.from === site.node.id && way.port === 'error');
    const node = planNode(site, { context, hasErrorEdge });
    const inlined = site.type === 'workflow' ? nested(site, node, context) : { nodes: [node], edges: [] };
    nodes.push(...inlined.nodes);
    edges.push(...inlined.edges);
    if (!listensFirst(site, entryId, document.engine)) continue;
    nodes.push(listenNode(site, greetingOf(site, shape)));
    edges.push(silent(listenId(site.node.id), site.node.id));
  }
  edges.push(...listeners(shape).map(([from, to]) => silent(from, to)));
  const first = sites.get(entryId);
  const isTalk = first !== undefined && listensFirst(first, entryId, document.engine);
  return withEveryStep({
    entry: isTalk ? listenId(entryId) : entryId,
    nodes: Object.fromEntries(nodes.map((node) => [node.id, withListeners(node, nodes)])),
    edges,
    ...schemasOf(document, sites.get(entryId)),
  });
}

/** A studio workflow has its user speak first, wherever it begins. */
const listensFirst = (site: Site, entryId: string, engine: GraphDocument['engine']): boolean =>
  talks(site, engine) || (engine === 'studio' && site.node.id === entryId);

function greetingOf(site: Site, shape: Shape): string | undefined {
  if (!talks(site, shape.document.engine)) return greetingFrom(site.node.id, shape);
  return 'greeting' in site.config ? site.config.greeting : undefined;
}

const silent = (from: string, to: string): PlanEdge => ({
  from,
  to,
  port: 'out',
  condition: { type: 'always' },
  label: null,
});

/** The body of a nested workflow is its published plan. */
function nested(site: Extract<Site, { type: 'workflow' }>, node: PlanNode, { definitions }: CompileContext) {
  const plan = definitions.get(site.config.workflow_id ?? site.config.definition_id ?? '')?.plan;
  if (plan === undefined || node.kind !== 'loop') return { nodes: [node], edges: [] };
  const body = inlinePlan(plan, node.id);
  return { nodes: [{ ...node, config: { ...node.config, entry: body.entry } }, ...body.nodes], edges: body.edges };
}

/** Whoever withdraws an agent withdraws its waiting for the user as well. */
function withListeners(node: PlanNode, nodes: readonly PlanNode[]): PlanNode {
  if (node.kind !== 'cancel') return node;
  const more = node.config.nodes.map(listenId).filter((id) => nodes.some((each) => each.id === id));
  return { ...node, config: { nodes: [...node.config.nodes, ...more] } };
}

function schemasOf(document: GraphDocument, entry: Site | undefined): Partial<Plan> {
  const ofStart: Json | undefined = entry?.type === 'start' ? entry.config.input_schema : undefined;
  const input = document.input_schema ?? ofStart;
  const { output_schema: output } = document;
  return {
    ...(input === undefined ? {} : { inputSchema: input }),
    ...(output === undefined ? {} : { outputSchema: output }),
  };
}
