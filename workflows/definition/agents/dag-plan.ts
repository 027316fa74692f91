import type { CompileContext, References } from '../graph-context.js';
import type { Compilation } from '../graph-plan.js';
import { listenId } from '../graph-nodes.js';
import type { Condition, NodeConfigs, NodeKind, Plan, PlanEdge, PlanNode, Port } from '../plan.js';
import { policyFor } from '../policies.js';
import { readsOfExpr } from '../reads.js';
import type { Json } from '../values.js';
import { dagAgentProblems, hasSkip } from './dag-agents.js';
import { dagPlanIds, HANGUP_EVENT, type DagDocument, type DagNode } from './dag-document.js';
import { connectionsFrom, dagShapeProblems } from './dag-shape.js';
import { greets, speakerListen, speakerTurn, type Speaker } from './dag-turns.js';
import { truthCondition } from './truth.js';

/**
 * Compiles a workflow of agents. A call listens for being hung up and speaks with the first agent at the same time; each
 * agent listens, answers, and stays, hands over or ends the call, as its turn's output says.
 */
export function compileDag(document: DagDocument, context: CompileContext): Compilation {
  const found = [...dagShapeProblems(document), ...dagAgentProblems(document, context)];
  const problems = found.toSorted((a, b) => Number(a.severity === 'warning') - Number(b.severity === 'warning'));
  if (problems.some(({ severity }) => severity === 'blocker')) return { plan: null, problems };
  return { plan: assemble(document, context), problems };
}

export const dagReferences = ({ nodes }: DagDocument): References => ({
  definitions: [],
  tools: [],
  agents: [...new Set(nodes.map(({ agent_name: name }) => name))],
});

/** The workflow as one of its nodes sees it, for a test of that node: it and whom it may hand over to. */
export function dagAlone(
  document: DagDocument,
  { nodeId, context }: { readonly nodeId: string; readonly context: CompileContext },
): DagDocument | null {
  const tested = document.nodes.find(({ id }) => id === nodeId);
  if (tested === undefined) return null;
  const isReady = ({ agent_name: name }: DagNode): boolean => context.agents?.get(name)?.isActive === true;
  const leadsTo = (node: DagNode): boolean =>
    connectionsFrom(document, nodeId).some(({ target_id: target }) => target === node.id);
  const others = document.nodes.filter((node) => leadsTo(node) && isReady(node));
  const ofOthers = (node: DagNode): DagNode => ({ ...node, is_entry: false, is_exit: true, skip_condition: null });
  return {
    nodes: [{ ...tested, is_entry: true, is_exit: tested.is_exit || others.length === 0 }, ...others.map(ofOthers)],
    connections: connectionsFrom(document, nodeId).filter((way) => others.some(({ id }) => id === way.target_id)),
    shared_context: document.shared_context,
  };
}

interface Dag {
  readonly document: DagDocument;
  readonly speakers: ReadonlyMap<string, Speaker>;
}

function assemble(document: DagDocument, context: CompileContext): Plan {
  const dag: Dag = { document, speakers: speakersOf(document, context) };
  const all = [...dag.speakers.values()];
  const entry = document.nodes.find(({ is_entry: isEntry }) => isEntry);
  const nodes: readonly PlanNode[] = [
    ...callNodes,
    ...all.flatMap((speaker) => [
      ...(hasSkip(speaker.node) ? [skipNode(speaker)] : []),
      speakerListen(speaker),
      speakerTurn(speaker, { document, context }),
    ]),
  ];
  return {
    entry: dagPlanIds.call,
    nodes: Object.fromEntries(nodes.map((node) => [node.id, node])),
    edges: [
      edge(dagPlanIds.call, dagPlanIds.hangup),
      edge(dagPlanIds.hangup, dagPlanIds.hungUp),
      ...(entry === undefined ? [] : [edge(dagPlanIds.call, hasSkip(entry) ? skipId(entry.id) : listenId(entry.id))]),
      ...all.flatMap((speaker) => [...skipEdges(dag, speaker), ...speakerEdges(dag, speaker)]),
    ],
  };
}

function speakersOf({ nodes }: DagDocument, { agents }: CompileContext): ReadonlyMap<string, Speaker> {
  const speakers = new Map<string, Speaker>();
  for (const node of nodes) {
    const agent = agents?.get(node.agent_name);
    if (agent !== undefined) speakers.set(node.id, { node, agent });
  }
  return speakers;
}

const skipId = (nodeId: string): string => `${nodeId}.skip`;

const own = <K extends NodeKind>(id: string, kind: K, config: NodeConfigs[K]) => ({
  id,
  kind,
  config,
  label: id.replaceAll(/[._]/g, ' '),
  dialectKind: kind,
  policy: policyFor(kind, {}),
});

const endNode = (id: string, output: Json): PlanNode => ({ ...own(id, 'end', { output, terminate: true }) });

const reasonOr = (otherwise: string): Json => ({ $expr: `input.?reason.orValue(${JSON.stringify(otherwise)})` });

/** The nodes every call has. */
const callNodes: readonly PlanNode[] = [
  { ...own(dagPlanIds.call, 'pass', {}), exits: 'all' },
  own(dagPlanIds.hangup, 'wait_event', { name: HANGUP_EVENT, accept_earlier_seconds: 0 }),
  endNode(dagPlanIds.hungUp, { status: 'disconnected', reason: reasonOr('hangup') }),
  endNode(dagPlanIds.completed, { status: 'completed', reason: reasonOr('completed') }),
  endNode(dagPlanIds.timeout, { status: 'timeout', reason: 'silence' }),
];

const skipNode = ({ node, agent }: Speaker): PlanNode => ({
  ...own(skipId(node.id), 'branch', {}),
  label: agent.name,
  dialectKind: 'skip',
});

const always: Condition = { type: 'always' };

const edge = (from: string, to: string, more: Partial<PlanEdge> = {}): PlanEdge => ({
  from,
  to,
  port: 'out' satisfies Port,
  condition: always,
  label: null,
  ...more,
});

function when(expr: string): Condition {
  const reads = readsOfExpr(expr);
  return { type: 'cel', expr, ...(Object.keys(reads).length === 0 ? {} : { reads }) };
}

const skipTruth = ({ skip_condition: skip }: DagNode): string => {
  const truth = truthCondition(skip ?? '', 'vars');
  return 'expr' in truth ? truth.expr : 'false';
};

/** A node comes in with its greeting; one without answers what was said to the agent before it. */
const handoffWay = (speaker: Speaker): string => (greets(speaker) ? listenId(speaker.node.id) : speaker.node.id);

/** The same from a skip, where perhaps nobody has said anything yet. */
function skippedWays(from: string, speaker: Speaker, condition: string): readonly PlanEdge[] {
  const { id } = speaker.node;
  if (greets(speaker)) return [edge(from, listenId(id), { condition: when(condition) })];
  return [
    edge(from, listenId(id), { condition: when(`message == null && ${condition}`) }),
    edge(from, id, { condition: when(condition) }),
  ];
}

/** Past a node that is skipped: to the first node behind it that is not, or to those behind its first. */
function skipEdges(dag: Dag, speaker: Speaker): readonly PlanEdge[] {
  const { node } = speaker;
  if (!hasSkip(node)) return [];
  const from = skipId(node.id);
  const targets = targetsOf(dag, node.id);
  const [first] = targets;
  const past = first === undefined ? dagPlanIds.completed : hasSkip(first.node) ? skipId(first.node.id) : null;
  return [
    ...skippedWays(from, speaker, `!(${skipTruth(node)})`),
    ...targets.flatMap((target) =>
      skippedWays(from, target, hasSkip(target.node) ? `!(${skipTruth(target.node)})` : 'true'),
    ),
    ...(past === null ? [] : [edge(from, past)]),
  ];
}

const targetsOf = ({ document, speakers }: Dag, nodeId: string): readonly Speaker[] =>
  connectionsFrom(document, nodeId).flatMap(({ target_id: target }) => speakers.get(target) ?? []);

function speakerEdges(dag: Dag, speaker: Speaker): readonly PlanEdge[] {
  const { node, agent } = speaker;
  const { id } = node;
  const hasSilence = (agent.config.session?.auto_disconnect_timeout ?? 0) > 0;
  return [
    edge(listenId(id), id),
    ...(hasSilence ? [edge(listenId(id), dagPlanIds.timeout, { port: 'timeout' })] : []),
    ...targetsOf(dag, id).map((target) =>
      edge(id, hasSkip(target.node) ? skipId(target.node.id) : handoffWay(target), {
        condition: when(`input.outcome == "handoff" && input.target == ${JSON.stringify(target.node.id)}`),
        label: target.agent.name,
      }),
    ),
    edge(id, dagPlanIds.completed, { condition: when('input.outcome == "end"') }),
    edge(id, listenId(id)),
  ];
}
