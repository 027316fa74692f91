import { textOf } from '../../workflows/definition/values.js';
import type { WorkspaceTool } from '../../db/workspace-tools.js';
import type { LlmMessage, LlmTool } from '../llm/port.js';
import { costOf } from '../llm/prices.js';
import { memoryName, recall, remember } from './agent-memory.js';
import { callTool } from './agent-tools.js';
import type { NodeAnswer, NodeContext, NodeDeps, NodeRunner } from './context.js';
import { createModelTemplates, settingsOf } from './model-request.js';
import { thinkAndAct } from './think-and-act.js';
import { findTool } from './tool-call.js';

type AgentContext = NodeContext<'instruction_agent'>;

function messageOf(context: AgentContext): string {
  const { message } = context.node.config;
  if (message !== undefined) return createModelTemplates(context)('message', message);
  const said = context.names['message'];
  return typeof said === 'string' ? said : textOf(context.input);
}

const described = ({ name, description, parameters }: WorkspaceTool): LlmTool => ({ name, description, parameters });

async function takeTurn(context: AgentContext, deps: NodeDeps): Promise<NodeAnswer> {
  const { config, id } = context.node;
  const said = messageOf(context);
  const system = createModelTemplates(context)('instructions', config.instructions);
  if (context.isStubbed) return { output: { stubbed: true, would: { system, message: said, tools: config.tools } } };
  const memory = config.memory ? recall(context.names['vars'] ?? null, id) : [];
  const tools = await Promise.all(config.tools.map((name) => findTool(deps, context.run.workspaceId, name)));
  const messages: readonly LlmMessage[] = [...memory, { role: 'user', content: said }];
  const thinker = {
    ...{ context, deps, maxSteps: config.max_steps },
    request: { system, ...settingsOf(config) },
    tools: tools.map(described),
    act: callTool(context, deps, tools),
  };
  const { answer, calls, usage, vars: set } = await thinkAndAct(thinker, messages);
  const { text, model, provider } = answer;
  const vars = { ...set, ...(config.memory ? { [memoryName(id)]: remember(memory, said, text) } : {}) };
  const output = { text, model, provider, usage: { ...usage }, tool_calls: calls.map((call) => ({ ...call })) };
  return { output, vars, cost: costOf(usage, deps.prices) };
}

/** A turn with tools and memory. Output: `{text, model, provider, usage, tool_calls: [{name, args, output, duration_ms}]}`. */
export const instructionAgent =
  (deps: NodeDeps): NodeRunner<'instruction_agent'> =>
  (context) =>
    takeTurn(context, deps);
