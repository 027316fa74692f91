import { textOf, type Json } from '../../workflows/definition/values.js';
import type { LlmCompletion, LlmMessage } from '../llm/port.js';
import { costOf } from '../llm/prices.js';
import { callOffered } from '../turn/call-tool.js';
import type { Outcome } from '../turn/board.js';
import { handoffByConditions } from '../turn/hand-over.js';
import { offeredTools } from '../turn/tool-form.js';
import { namesOfTurn, openTurn, type Turn } from '../turn/turn.js';
import { memoryName, recall, remember } from './agent-memory.js';
import type { NodeAnswer, NodeContext, NodeDeps, NodeRunner } from './context.js';
import type { LifecycleEvent } from './events.js';
import { createModelTemplates, settingsOf } from './model-request.js';
import { structured } from './structured.js';
import { asJson, thinkAndAct, type Thinker, type Thought } from './think-and-act.js';

type TurnContext = NodeContext<'agent_turn'>;

const STAY: Outcome = { outcome: 'stay', target: null, reason: null };

/** A step of a staged workflow works on what it was given, whoever talks to the run. */
function messageOf({ names, input, node }: TurnContext): string {
  const said = node.config.answers === 'turn' ? names['message'] : null;
  return typeof said === 'string' ? said : textOf(input);
}

const tell = ({ context }: Turn, event: LifecycleEvent['event'], target?: string): void =>
  context.emit({
    ...{ type: 'lifecycle', event, agent: context.node.config.agent },
    ...(target === undefined ? {} : { target }),
  });

const systemOf = (turn: Turn): string =>
  createModelTemplates({ node: turn.context.node, names: namesOfTurn(turn) })(
    'prompt.system',
    turn.context.node.config.system,
  );

function thinkerOf(turn: Turn, system: string): Thinker {
  const { context, deps } = turn;
  const { config } = context.node;
  const { output_schema: schema } = config;
  const tools = offeredTools(config);
  return {
    ...{ context, deps, maxSteps: config.max_steps },
    request: {
      system,
      ...settingsOf(config),
      ...(schema === undefined ? {} : { schema }),
    },
    tools: tools.map(({ name, description, parameters }) => ({ name, description, parameters })),
    act: callOffered(turn, tools),
    check: (answer) => void answerOf(turn, answer),
    onAsk: (event) => tell(turn, event),
  };
}

/** What a step puts out whose answer is its output. */
function answerOf({ context, deps }: Turn, { text, usage }: LlmCompletion): Json {
  const { answers, output_schema: schema } = context.node.config;
  if (answers === 'turn' || schema === undefined) return text;
  return structured(schema, text, { field: 'output_schema', cost: costOf(usage, deps.prices) });
}

async function takeTurn(context: TurnContext, deps: NodeDeps): Promise<NodeAnswer> {
  const turn = await openTurn(context, deps);
  const said = messageOf(context);
  const system = systemOf(turn);
  if (context.isStubbed) return { output: stubbed(context, { system, message: said }) };
  const { config, id } = context.node;
  const memory = config.memory ? recall(context.names['vars'] ?? null, id) : [];
  const messages: readonly LlmMessage[] = [...memory, { role: 'user', content: said }];
  tell(turn, 'agent_start');
  const thought = await thinkAndAct(thinkerOf(turn, system), messages);
  const { output, text } = config.answers === 'turn' ? endTurn(turn, thought) : endStep(turn, thought);
  tell(turn, 'agent_end');
  const remembered = config.memory ? { [memoryName(id)]: remember(memory, said, text) } : {};
  const vars = { ...turn.board.changed(), ...remembered };
  return { output, vars, cost: costOf(thought.usage, deps.prices) };
}

interface Ended {
  readonly output: Json;
  readonly text: string;
}

const endStep = (turn: Turn, { answer }: Thought): Ended => ({ output: answerOf(turn, answer), text: answer.text });

function endTurn(turn: Turn, { answer, usage, llmMs, calls }: Thought): Ended {
  const { config } = turn.context.node;
  const text = turn.board.words(answer.text);
  showRest(turn, answer.text, text);
  const outcome = turn.board.outcome() ?? handoffByConditions(config, namesOfTurn(turn)) ?? STAY;
  const handoff = config.handoffs.find(({ node }) => node === outcome.target);
  if (handoff !== undefined) {
    turn.board.pass(handoff.passes);
    tell(turn, 'handoff', handoff.agent);
  }
  const { model, provider } = answer;
  const output = { text, agent: config.agent, ...outcome, model, provider, usage, llm_ms: llmMs, tool_calls: calls };
  return { output: asJson(output), text };
}

/** Whoever follows the words of the model gets those that tools added, too. */
function showRest({ context }: Turn, shown: string, text: string): void {
  const rest = text.startsWith(shown) ? text.slice(shown.length) : text;
  if (rest !== '') context.emit({ type: 'token', text: rest });
}

/** A test run asks no model; the turn counts as one in which nothing was decided. */
function stubbed({ node }: TurnContext, asked: { readonly system: string; readonly message: string }): Json {
  const { config } = node;
  const stub = { stubbed: true, would: { ...asked, tools: offeredTools(config).map(({ name }) => name) } };
  if (config.answers === 'output') return stub;
  const nothing = { model: '', provider: '', usage: { input_tokens: 0, output_tokens: 0 }, llm_ms: 0, tool_calls: [] };
  return { ...stub, text: '', agent: config.agent, ...STAY, ...nothing };
}

/** A turn of a named agent; see `AgentTurnConfig` for what it puts out. */
export const agentTurn =
  (deps: NodeDeps): NodeRunner<'agent_turn'> =>
  (context) =>
    takeTurn(context, deps);
