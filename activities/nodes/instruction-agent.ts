import { textOf, type Json } from '../../workflows/definition/values.js';
import type { WorkspaceTool } from '../../db/workspace-tools.js';
import type { LlmCompletion, LlmMessage, LlmRequest, LlmTool, LlmUsage } from '../llm/port.js';
import { costOf } from '../llm/prices.js';
import { memoryName, recall, remember } from './agent-memory.js';
import { callTool, type ToolTrace } from './agent-tools.js';
import type { NodeAnswer, NodeContext, NodeDeps, NodeRunner } from './context.js';
import { NodeFailure, withCost } from './failure.js';
import { createModelTemplates, settingsOf } from './model-request.js';
import { findTool } from './tool-call.js';

type AgentContext = NodeContext<'instruction_agent'>;

interface Turn {
  readonly context: AgentContext;
  readonly deps: NodeDeps;
  readonly system: string;
  readonly tools: readonly WorkspaceTool[];
}

/** What a turn has come to so far. */
interface Progress {
  readonly messages: readonly LlmMessage[];
  readonly calls: readonly ToolTrace[];
  readonly vars: Readonly<Record<string, Json>>;
  readonly usage: LlmUsage;
}

const NO_USAGE: LlmUsage = { input_tokens: 0, output_tokens: 0 };

const added = (a: LlmUsage, b: LlmUsage): LlmUsage => ({
  input_tokens: a.input_tokens + b.input_tokens,
  output_tokens: a.output_tokens + b.output_tokens,
});

function messageOf(context: AgentContext): string {
  const { message } = context.node.config;
  if (message !== undefined) return createModelTemplates(context)('message', message);
  const said = context.names['message'];
  return typeof said === 'string' ? said : textOf(context.input);
}

/** -- reason: these are plain data; their types only say more than `Json` does */
const asJson = (data: object): Json => JSON.parse(JSON.stringify(data)) as Json;

const described = ({ name, description, parameters }: WorkspaceTool): LlmTool => ({ name, description, parameters });

/** One call of the model; its answer is kept in the ledger, so a crash pays for it once. */
async function think(turn: Turn, { messages }: Progress, step: number): Promise<LlmCompletion> {
  const { context, deps, system } = turn;
  const { config } = context.node;
  // the last call has no tools, so that it must answer
  const tools = step < config.max_steps ? turn.tools.map(described) : [];
  const request = { system, messages, tools, ...settingsOf(config) };
  const receipt = await context.ledger.perform({
    part: `llm/${step}`,
    kind: 'llm',
    what: 'A call of the model',
    request: asJson(request),
    onUnknown: { action: 'repeat' },
    whenChanged: 'replaces',
    act: async (idempotencyKey) => asJson(await deps.llm.complete(streamed(context, request, idempotencyKey))),
  });
  // -- reason: `act` above is the only one to write this receipt
  return receipt as unknown as LlmCompletion;
}

const streamed = (
  { emit, signal }: AgentContext,
  request: Omit<LlmRequest, 'signal' | 'idempotencyKey' | 'onText'>,
  idempotencyKey: string,
): LlmRequest => ({ ...request, signal, idempotencyKey, onText: (text) => emit({ type: 'token', text }) });

async function act(turn: Turn, progress: Progress, { text, toolCalls, usage }: LlmCompletion): Promise<Progress> {
  let { calls, vars } = progress;
  const messages: LlmMessage[] = [...progress.messages, { role: 'assistant', content: text, toolCalls }];
  for (const call of toolCalls) {
    const done = await callTool(turn.context, turn.deps, { call, number: calls.length + 1, tools: turn.tools });
    calls = [...calls, done.trace];
    vars = { ...vars, ...done.vars };
    messages.push({ role: 'tool', callId: call.id, name: call.name, output: done.trace.output });
  }
  return { messages, calls, vars, usage: added(progress.usage, usage) };
}

/** Thinks and acts in turns until the model answers. */
async function converse(
  turn: Turn,
  begun: Progress,
): Promise<{ readonly last: LlmCompletion; readonly progress: Progress }> {
  const { isLastAttempt, node } = turn.context;
  let progress = begun;
  try {
    for (let step = 1; ; step += 1) {
      const last = await think(turn, progress, step);
      const isLast = last.toolCalls.length === 0 || step >= node.config.max_steps;
      if (isLast) return { last, progress: { ...progress, usage: added(progress.usage, last.usage) } };
      progress = await act(turn, progress, last);
    }
  } catch (error) {
    // another attempt goes on from the ledger and counts these calls itself
    const isOver = error instanceof NodeFailure && (isLastAttempt || !error.retryable);
    throw isOver ? withCost(error, costOf(progress.usage, turn.deps.prices)) : error;
  }
}

async function takeTurn(context: AgentContext, deps: NodeDeps): Promise<NodeAnswer> {
  const { config, id } = context.node;
  const said = messageOf(context);
  const system = createModelTemplates(context)('instructions', config.instructions);
  if (context.isStubbed) return { output: { stubbed: true, would: { system, message: said, tools: config.tools } } };
  const memory = config.memory ? recall(context.names['vars'] ?? null, id) : [];
  const tools = await Promise.all(config.tools.map((name) => findTool(deps, context.run.workspaceId, name)));
  const messages: readonly LlmMessage[] = [...memory, { role: 'user', content: said }];
  const begun = { messages, calls: [], vars: {}, usage: NO_USAGE };
  const { last, progress } = await converse({ context, deps, system, tools }, begun);
  const { text, model, provider } = last;
  const { usage } = progress;
  const vars = { ...progress.vars, ...(config.memory ? { [memoryName(id)]: remember(memory, said, text) } : {}) };
  const output = {
    text,
    model,
    provider,
    usage: { ...usage },
    tool_calls: progress.calls.map((call) => ({ ...call })),
  };
  return { output, vars, cost: costOf(usage, deps.prices) };
}

/** A turn with tools and memory. Output: `{text, model, provider, usage, tool_calls: [{name, args, output, duration_ms}]}`. */
export const instructionAgent =
  (deps: NodeDeps): NodeRunner<'instruction_agent'> =>
  (context) =>
    takeTurn(context, deps);
