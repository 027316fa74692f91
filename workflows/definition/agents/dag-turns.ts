import type { CompileContext } from '../graph-context.js';
import { literalTemplate } from '../liquid.js';
import { listenId } from '../graph-nodes.js';
import type { NodeOf } from '../plan.js';
import { policyFor } from '../policies.js';
import { present } from '../present.js';
import { readsOfTemplate } from '../reads.js';
import type { Json } from '../values.js';
import type { AgentTurnConfig, TurnHandoff } from './agent-turn.js';
import type { DagConnection, DagDocument, DagNode } from './dag-document.js';
import { hasSkip } from './dag-agents.js';
import { connectionsFrom } from './dag-shape.js';
import type { NamedAgent } from './named-agent.js';
import { agentTurnReads } from './reads.js';
import { truthCondition } from './truth.js';

/** A node of a workflow of agents as the two nodes of its plan: where its user is listened to, and the agent's turn. */

/** Calls of the model in one turn at most: tools may need several. */
const MOST_STEPS = 10;

/** A node with the agent who speaks there. */
export interface Speaker {
  readonly node: DagNode;
  readonly agent: NamedAgent;
}

export const greets = ({ agent }: Speaker): boolean => (agent.config.prompt.greeting ?? '') !== '';

/** What the user hears when the agent takes over, and how long silence may last. */
export function speakerListen(speaker: Speaker): NodeOf<'listen'> {
  const { node, agent } = speaker;
  const { prompt, session } = agent.config;
  const greeting = greets(speaker) ? greetingTemplate(prompt) : undefined;
  const silence = session?.auto_disconnect_timeout;
  return {
    id: listenId(node.id),
    kind: 'listen',
    label: agent.name,
    dialectKind: 'listen',
    policy: policyFor('listen', {}),
    config: present({
      greeting,
      always_greet: greeting === undefined ? undefined : true,
      timeout_seconds: silence === undefined || silence === 0 ? undefined : silence,
    }),
    ...(greeting === undefined ? {} : { reads: readsOfTemplate(greeting) }),
  };
}

/** A run speaks its greeting itself, and knows variables only: the names that prompts use are made of them. */
function greetingTemplate({ greeting = '', variables }: NamedAgent['config']['prompt']): string {
  if (!greeting.includes('{{') && !greeting.includes('{%')) return greeting;
  const names = ['user', 'context', 'flags'].map((name) => `{% assign ${name} = vars.${name} %}`);
  const defaults = variables.map(({ name, default: value = null }) => variableTemplate(name, value));
  return `${[...defaults, ...names].join('')}${greeting}`;
}

/** What is known of the user or the call stands before the default. */
function variableTemplate(name: string, value: Json): string {
  const text = value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);
  return (
    `{% capture ${name} %}${literalTemplate(text)}{% endcapture %}` +
    `{% assign ${name} = vars.context.${name} | default: vars.user.${name} | default: ${name} %}`
  );
}

export function speakerTurn(
  speaker: Speaker,
  { document, context }: { readonly document: DagDocument; readonly context: CompileContext },
): NodeOf<'agent_turn'> {
  const { node, agent } = speaker;
  const config = turnConfig(speaker, { document, context });
  return {
    id: node.id,
    kind: 'agent_turn',
    label: agent.name,
    dialectKind: 'agent_turn',
    policy: policyFor('agent_turn', {}),
    config,
    says: true,
    reads: agentTurnReads(config),
  };
}

function turnConfig(
  { node, agent }: Speaker,
  { document, context }: { readonly document: DagDocument; readonly context: CompileContext },
): AgentTurnConfig {
  const { prompt, llm, tools } = agent.config;
  const ways = connectionsFrom(document, node.id);
  const variables = Object.fromEntries(prompt.variables.map(({ name, default: value = null }) => [name, value]));
  return {
    agent: agent.name,
    system: prompt.system,
    ...(prompt.variables.length === 0 ? {} : { variables }),
    ...present({ model: llm?.model, temperature: llm?.temperature }),
    max_steps: MOST_STEPS,
    memory: true,
    tools: tools.flatMap((name) => context.actionTools?.get(name) ?? []),
    handoffs: turnHandoffs(agent, { document, context, ways }),
    shared: document.shared_context,
    ...(node.is_exit || ways.length === 0 ? { may_end: true } : {}),
    answers: 'turn',
  };
}

interface Surroundings {
  readonly document: DagDocument;
  readonly context: CompileContext;
  readonly ways: readonly DagConnection[];
}

/** Of several connections to nodes of one agent the first is the handoff. */
function turnHandoffs(agent: NamedAgent, { document, context, ways }: Surroundings): readonly TurnHandoff[] {
  const named = new Set<string>();
  return ways.flatMap((way): readonly TurnHandoff[] => {
    const target = document.nodes.find(({ id }) => id === way.target_id);
    const other = context.agents?.get(target?.agent_name ?? '');
    if (target === undefined || other === undefined || named.has(other.name)) return [];
    named.add(other.name);
    return [
      {
        agent: other.name,
        node: target.id,
        description: handoffText(other),
        conditions: conditionsFor(agent, other.name),
        passes: passesOf(document, { nodeId: target.id, keys: way.context_passed }),
      },
    ];
  });
}

const handoffText = ({ displayName, name, description }: NamedAgent): string =>
  `Hands the call over to ${displayName || name}${description === '' ? '.' : `: ${description}`}`;

const conditionsFor = ({ config }: NamedAgent, target: string): readonly string[] =>
  config.handoffs
    .filter(({ target_agent: agent }) => agent === target)
    .flatMap(({ conditions }) =>
      conditions.flatMap((condition) => {
        const truth = truthCondition(condition, 'names');
        return 'expr' in truth ? [truth.expr] : [];
      }),
    );

/** Behind a node that may be skipped, what its own connections pass on as well. */
function passesOf(
  document: DagDocument,
  { nodeId, keys }: { readonly nodeId: string; readonly keys: readonly string[] },
): TurnHandoff['passes'] {
  const passed = new Map<string, Set<string>>();
  const pass = (id: string, own: readonly string[]): void => {
    if (own.length === 0) return;
    passed.set(id, new Set([...(passed.get(id) ?? []), ...own]));
    const node = document.nodes.find((each) => each.id === id);
    if (node === undefined || !hasSkip(node)) return;
    for (const way of connectionsFrom(document, id))
      pass(
        way.target_id,
        own.filter((key) => way.context_passed.includes(key)),
      );
  };
  pass(nodeId, keys);
  return [...passed].map(([node, own]) => ({ node, keys: [...own] }));
}
