import type { AgentTurnConfig } from '../agents/agent-turn.js';
import type { NamedAgent } from '../agents/named-agent.js';
import { agentTurnReads } from '../agents/reads.js';
import { readsOfExpr, readsOfMapping } from '../expressions.js';
import type { CompileContext } from '../graph-context.js';
import type { Compilation } from '../graph-plan.js';
import {
  defaultPolicy,
  type Condition,
  type NodeOf,
  type Plan,
  type PlanEdge,
  type PlanNode,
  type Reads,
} from '../plan.js';
import { basePolicy } from '../policies.js';
import { present } from '../present.js';
import type { Json } from '../values.js';
import { stagesOf, type PlacedStage, type PlacedStep, type StagedDocument } from './document.js';
import { mappingFor } from './mappings.js';
import { readsAmong, stagedProblems } from './problems.js';

/**
 * A staged workflow as a plan. What goes along the edges is the current input; a step's node has the step's name. A guard
 * is a branch that leads past its step, or in a parallel stage the condition of the way into it. A value that a mapping
 * makes is a block that runs once: a loop of one round around an end.
 */

export function compileStaged(document: StagedDocument, context: CompileContext): Compilation {
  const problems = stagedProblems(document, context);
  return { plan: problems.length > 0 ? null : planOf(document, context), problems };
}

export const MESSAGE_SCHEMA: Json = {
  type: 'object',
  required: ['message'],
  properties: { message: { type: 'string' }, conversation_id: { type: 'string' }, location: { type: 'object' } },
};

const MAX_TURNS = 10;
const ENTRY = 'run.message';
const DONE = 'run.output';

/** A way that leads on to whatever comes next. */
interface Tail {
  readonly from: string;
  readonly condition: Condition;
}

interface Draft {
  readonly nodes: readonly PlanNode[];
  readonly edges: readonly PlanEdge[];
  readonly tails: readonly Tail[];
  /** Steps so far: what expressions may read. */
  readonly known: readonly string[];
  /** Nodes that made the current input, whichever of them ran last. */
  readonly makers: readonly string[];
}

const always: Condition = { type: 'always' };

const edgeOf = (from: string, to: string, condition: Condition = always): PlanEdge => ({
  ...{ from, to, port: 'out', label: null },
  condition,
});

const when = (expr: string, known: readonly string[]): Condition => {
  const reads = readsAmong(known, readsOfExpr(expr));
  return { type: 'cel', expr, ...(Object.keys(reads).length === 0 ? {} : { reads }) };
};

const baseOf = (id: string, dialectKind: string, label: string) => ({ id, dialectKind, label, policy: defaultPolicy });

interface ValueSpec {
  readonly id: string;
  readonly label: string;
  readonly dialectKind: string;
  readonly mapping: Json;
  readonly known: readonly string[];
}

/** A node whose output is what a mapping makes of what comes to it. */
function valueNodes({ id, label, dialectKind, mapping, known }: ValueSpec): readonly PlanNode[] {
  const reads: Reads = readsAmong(known, readsOfMapping(mapping));
  const inner = `${id}.value`;
  return [
    { ...baseOf(id, dialectKind, label), kind: 'loop', config: { entry: inner, max_iterations: 1 } },
    {
      ...baseOf(inner, dialectKind, label),
      ...{ kind: 'end', config: { output: mapping, terminate: false }, within: id },
      ...(Object.keys(reads).length === 0 ? {} : { reads }),
    },
  ];
}

function planOf(document: StagedDocument, context: CompileContext): Plan {
  const message = { id: ENTRY, label: 'The message', dialectKind: 'message', mapping: { $expr: 'input.message' } };
  const begun: Draft = {
    nodes: valueNodes({ ...message, known: [] }),
    edges: [],
    tails: [{ from: ENTRY, condition: always }],
    known: [],
    makers: [],
  };
  const stages = stagesOf(document);
  const staged = stages.reduce(
    (draft, stage, index) =>
      stage.mode === 'parallel' ? sideBySide(draft, stage, { index, context }) : inOrder(draft, stage, context),
    begun,
  );
  const steps = stages.flatMap((stage) => stage.steps);
  const { nodes, edges } = steps.every(({ step }) => isGuarded(step)) ? withOutput(staged) : staged;
  return {
    entry: ENTRY,
    nodes: Object.fromEntries(nodes.map((node) => [node.id, node])),
    edges,
    inputSchema: MESSAGE_SCHEMA,
    ...present({ outputSchema: document.output_schema ?? undefined }),
  };
}

const isGuarded = ({ guard }: PlacedStep['step']): boolean => guard !== undefined && guard !== null;

/** Where every step may be left out, the output is nothing if all were. */
function withOutput(draft: Draft): Draft {
  const asked = draft.makers.map((id) => `steps[${JSON.stringify(id)}] != null`).join(' || ');
  const output = { $expr: `(${asked}) ? input : null` };
  const node: NodeOf<'end'> = {
    ...baseOf(DONE, 'output', 'The output'),
    ...{ kind: 'end', config: { output, terminate: false }, reads: { steps: draft.makers.toSorted() } },
  };
  return { ...draft, nodes: [...draft.nodes, node], edges: [...draft.edges, ...draft.tails.map(leadTo(DONE))] };
}

const leadTo =
  (to: string) =>
  ({ from, condition }: Tail): PlanEdge =>
    edgeOf(from, to, condition);

/** The agent of a step, behind what maps its input. */
function work({ name, step }: PlacedStep, known: readonly string[], context: CompileContext) {
  const mapping = mappingFor('mapper', step.input_mapper);
  const config = turnOf(step, context);
  const turn: NodeOf<'agent_turn'> = {
    ...baseOf(name, 'agent_turn', name),
    ...{
      kind: 'agent_turn',
      policy: basePolicy('agent_turn'),
      config,
      reads: readsAmong(known, agentTurnReads(config)),
    },
  };
  if (mapping === null) return { first: name, nodes: [turn], edges: [] };
  const id = `${name}.input`;
  const nodes = valueNodes({ id, label: `Input of ${name}`, dialectKind: 'mapper', mapping, known });
  return { first: id, nodes: [...nodes, turn], edges: [edgeOf(id, name)] };
}

function turnOf(step: PlacedStep['step'], { agents, actionTools }: CompileContext): AgentTurnConfig {
  const agent = agents?.get(step.agent_key);
  if (agent === undefined) throw new RangeError(`the agent ${step.agent_key} was checked before`);
  const { prompt, llm, tools } = agent.config;
  return {
    agent: agent.name,
    system: prompt.system,
    max_steps: step.max_turns ?? MAX_TURNS,
    memory: false,
    tools: tools.flatMap((name) => actionTools?.get(name) ?? []),
    handoffs: [],
    shared: [],
    answers: 'output',
    ...present({
      variables: defaultsOf(agent),
      model: llm?.model,
      temperature: llm?.temperature,
      output_schema: step.output_schema ?? undefined,
    }),
  };
}

function defaultsOf({ config }: NamedAgent): Readonly<Record<string, Json>> | undefined {
  const known = config.prompt.variables.flatMap(({ name, default: value }) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return known.length === 0 ? undefined : Object.fromEntries(known);
}

function inOrder(begun: Draft, { steps }: PlacedStage, context: CompileContext): Draft {
  return steps.reduce((draft, placed) => {
    const { name, step } = placed;
    const { first, nodes, edges } = work(placed, draft.known, context);
    const done: Tail = { from: name, condition: always };
    const more = { known: [...draft.known, name], makers: [...draft.makers, name] };
    const { guard } = step;
    if (guard === undefined || guard === null) {
      const led = [...draft.edges, ...draft.tails.map(leadTo(first)), ...edges];
      return { ...more, nodes: [...draft.nodes, ...nodes], edges: led, tails: [done] };
    }
    const id = `${name}.guard`;
    const branch: NodeOf<'branch'> = { ...baseOf(id, 'guard', `Guard of ${name}`), kind: 'branch', config: {} };
    const into = edgeOf(id, first, when(guard, draft.known));
    const led = [...draft.edges, ...draft.tails.map(leadTo(id)), into, ...edges];
    const tails = [done, { from: id, condition: always }];
    return { ...more, nodes: [...draft.nodes, branch, ...nodes], edges: led, tails };
  }, begun);
}

/**
 * All guards are asked at once, before any branch begins. Where every branch may be left out, what came in goes past them
 * to the join, so that it is there when none ran.
 */
function sideBySide(
  draft: Draft,
  stage: PlacedStage,
  { index, context }: { readonly index: number; readonly context: CompileContext },
): Draft {
  const at = (part: string): string => `stages.${index}.${part}`;
  const [split, join] = [at('split'), at('join')];
  const { known, makers } = draft;
  const branches = stage.steps.map((placed) => {
    const { guard } = placed.step;
    const { first, nodes, edges } = work(placed, known, context);
    const condition = guard === undefined || guard === null ? always : when(guard, known);
    return { nodes, edges: [edgeOf(split, first, condition), ...edges, edgeOf(placed.name, join)] };
  });
  const isOptional = stage.steps.every(({ step }) => isGuarded(step));
  const merged = mergeOf(stage, { at, isOptional, known });
  return {
    nodes: [
      ...draft.nodes,
      { ...baseOf(split, 'parallel', stage.name), kind: 'pass', config: {}, exits: 'all' },
      ...branches.flatMap(({ nodes }) => nodes),
      { ...baseOf(join, 'join', stage.name), kind: 'join', config: { need: 'all' } },
      ...merged.nodes,
    ],
    edges: [
      ...draft.edges,
      ...draft.tails.map(leadTo(split)),
      ...branches.flatMap(({ edges }) => edges),
      ...(isOptional ? [edgeOf(split, join)] : []),
      ...merged.edges,
    ],
    tails: merged.tails,
    known: [...known, ...stage.steps.map(({ name }) => name)],
    makers: [...makers, merged.maker],
  };
}

interface Merging {
  readonly at: (part: string) => string;
  readonly isOptional: boolean;
  readonly known: readonly string[];
}

/** From what the join gathered, by node, to the next input. */
function mergeOf({ name, steps, reducer }: PlacedStage, { at, isOptional, known }: Merging) {
  const [split, join, kept, collect, reduce] = [at('split'), at('join'), at('kept'), at('outputs'), at('reducer')];
  const mapping = mappingFor('reducer', reducer);
  const names = JSON.stringify(steps.map((step) => step.name));
  const outputs = `${names}.filter(name, name in input).map(name, input[name])`;
  const single = `[${outputs}].map(outputs, size(outputs) == 1 ? outputs[0] : outputs)[0]`;
  const value = (id: string, dialectKind: string, made: Json): readonly PlanNode[] =>
    valueNodes({ id, dialectKind, label: name, mapping: made, known: [...known, ...steps.map((step) => step.name)] });
  const maker = mapping === null ? collect : reduce;
  const keeping = isOptional
    ? {
        nodes: value(kept, 'kept', { $expr: `input[${JSON.stringify(split)}]` }),
        edges: [edgeOf(join, kept, { type: 'cel', expr: 'size(input) == 1' })],
        tails: [{ from: kept, condition: always }],
      }
    : { nodes: [], edges: [], tails: [] };
  return {
    maker,
    nodes: [
      ...keeping.nodes,
      ...value(collect, 'outputs', { $expr: mapping === null ? single : outputs }),
      ...(mapping === null ? [] : value(reduce, 'reducer', mapping)),
    ],
    edges: [...keeping.edges, edgeOf(join, collect), ...(mapping === null ? [] : [edgeOf(collect, reduce)])],
    tails: [...keeping.tails, { from: maker, condition: always }],
  };
}
