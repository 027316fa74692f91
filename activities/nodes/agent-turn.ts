import type { AgentTurnOutput } from '../../workflows/definition/agents/agent-turn.js';
import { textOf, type Json } from '../../workflows/definition/values.js';
import type { LlmCompletion, LlmMessage, LlmRequest, LlmTool } from '../llm/port.js';
import { costOf } from '../llm/prices.js';
import { memoryName, recall, remember } from './agent-memory.js';
import type { NodeAnswer, NodeContext, NodeDeps, NodeRunner } from './context.js';
import { createModelTemplates, settingsOf } from './model-request.js';

type TurnContext = NodeContext<'agent_turn'>;
type Outcome = Pick<AgentTurnOutput, 'outcome' | 'target' | 'reason'>;

// -- reason: these are plain data; their types only say more than `Json` does
const asJson = (data: object): Json => JSON.parse(JSON.stringify(data)) as Json;

const messageOf = ({ names, input }: TurnContext): string => {
  const said = names['message'];
  return typeof said === 'string' ? said : textOf(input);
};

/** What the model may do besides answering. */
function ways({ node }: TurnContext): readonly (LlmTool & Outcome)[] {
  const { handoffs, may_end: mayEnd = false } = node.config;
  const end = { outcome: 'end', target: null, reason: 'agent', description: 'Ends the call.' } as const;
  return [
    ...handoffs.map(({ agent, node: target, description }) => ({
      ...{ name: `handoff_to_${agent}`, description, parameters: null },
      ...({ outcome: 'handoff', target, reason: null } as const),
    })),
    ...(mayEnd ? [{ name: 'end_call', parameters: null, ...end }] : []),
  ];
}

async function takeTurn(context: TurnContext, deps: NodeDeps): Promise<NodeAnswer> {
  const { node, names, emit, signal, idempotencyKey } = context;
  const { config, id } = node;
  const said = messageOf(context);
  const memory = config.memory ? recall(names['vars'] ?? null, id) : [];
  const messages: readonly LlmMessage[] = [...memory, { role: 'user', content: said }];
  const offered = ways(context);
  const request: LlmRequest = {
    system: createModelTemplates(context)('prompt.system', config.system),
    messages,
    tools: offered.map(({ name, description, parameters }) => ({ name, description, parameters })),
    ...settingsOf(config),
    ...(config.output_schema === undefined ? {} : { schema: config.output_schema }),
    ...{ signal, idempotencyKey },
    onText: (text) => emit({ type: 'token', text }),
  };
  const startedAt = Date.now();
  const completion = await deps.llm.complete(request);
  const chosen = offered.find(({ name }) => completion.toolCalls.some((call) => call.name === name));
  const { outcome = 'stay', target = null, reason = null } = chosen ?? {};
  const vars = config.memory ? { [memoryName(id)]: remember(memory, said, completion.text) } : {};
  const output = outputOf(context, completion, { outcome, target, reason, llm_ms: Date.now() - startedAt });
  return { output, vars, cost: costOf(completion.usage, deps.prices) };
}

function outputOf(
  { node: { config } }: TurnContext,
  { text, model, provider, usage }: LlmCompletion,
  more: Outcome & Pick<AgentTurnOutput, 'llm_ms'>,
): Json {
  if (config.answers === 'turn')
    return asJson({ text, agent: config.agent, ...more, model, provider, usage, tool_calls: [] });
  // -- reason: JSON.parse gives nothing else
  return config.output_schema === undefined ? text : (JSON.parse(text) as Json);
}

/** A turn of a named agent; see `AgentTurnConfig` for what it puts out. */
export const agentTurn =
  (deps: NodeDeps): NodeRunner<'agent_turn'> =>
  (context) =>
    takeTurn(context, deps);
