import type { ActionTool, ToolAction } from '../../workflows/definition/agents/action-tool.js';
import type { Json } from '../../workflows/definition/values.js';
import type { LlmToolCall } from '../llm/port.js';
import { isForModel } from '../nodes/failure.js';
import { misfit } from '../nodes/schema.js';
import { storableText, wellFormed } from '../nodes/text.js';
import type { Acted } from '../nodes/think-and-act.js';
import { performAll, type Play, type Told } from './actions.js';
import { dataOf } from './paths.js';
import { paramsOf, type Offered } from './tool-form.js';
import { redactText, type Turn } from './turn.js';

type Args = Readonly<Record<string, Json>>;

/** Longer replies are cut: a model's window is small. */
const LONGEST_TOLD = 20_000;

/** A model may write anything. */
const shown = (name: string): string => storableText(name.slice(0, 100));

const failed = (error: string): Json => ({ ok: false, error });

/** Carries out what the model asked for; what goes wrong for good is told to it. */
export const callOffered =
  (turn: Turn, offered: readonly Offered[]) =>
  async (call: LlmToolCall, number: number): Promise<Acted> => {
    const { context, board } = turn;
    const { agent, answers } = context.node.config;
    const named = { type: 'lifecycle', agent, tool: shown(call.name), tool_call_id: shown(call.id) } as const;
    const startedAt = Date.now();
    context.emit({ ...named, event: 'tool_start' });
    try {
      const output = await outputOf(turn, { call, number, offered });
      const trace = { name: call.name, args: call.args, output, duration_ms: Date.now() - startedAt };
      return { trace, isLast: answers === 'turn' && board.outcome() !== null };
    } finally {
      context.emit({ ...named, event: 'tool_end' });
    }
  };

interface Called {
  readonly call: LlmToolCall;
  readonly number: number;
  readonly offered: readonly Offered[];
}

async function outputOf(turn: Turn, { call, number, offered }: Called): Promise<Json> {
  const found = offered.find(({ name }) => name === call.name);
  if (found === undefined) return failed(`There is no tool "${call.name}".`);
  const problem = misfit(found.parameters ?? {}, call.args ?? {}, { field: `The parameters of "${call.name}"` });
  if (problem !== null) return failed(`args: ${problem}, says the tool "${call.name}".`);
  const args = dataOf(call.args);
  if (found.does === 'tool') return runTool(turn, { tool: found.tool, args, part: `tool/${number}` });
  return takeWay(turn, found, args);
}

function takeWay({ board }: Turn, way: Exclude<Offered, { readonly does: 'tool' }>, { message }: Args): Json {
  const isEnd = way.does === 'end';
  if (typeof message === 'string') board.say(message, isEnd ? 'at_end' : 'if_silent');
  board.decide(
    isEnd
      ? { outcome: 'end', target: null, reason: 'agent' }
      : { outcome: 'handoff', target: way.handoff.node, reason: null },
  );
  return { ok: true, result: isEnd ? 'The conversation ends.' : `${way.handoff.agent} takes over.` };
}

interface ToolRun {
  readonly tool: ActionTool;
  readonly args: Args;
  readonly part: string;
}

async function runTool(turn: Turn, { tool, args, part }: ToolRun): Promise<Json> {
  const { parameters, actions, on_success: onSuccess, on_failure: onFailure } = tool.config;
  const told: Told = { messages: [], values: new Map(), reply: null };
  const play: Play = { turn, part, params: paramsOf(parameters, args), error: null, told };
  const problem = await problemOf(play, actions);
  const after =
    problem === null
      ? await problemOf(play, onSuccess, 'success')
      : await problemOf({ ...play, error: problem }, onFailure, 'failure');
  const { message } = problem ?? after ?? {};
  return message === undefined
    ? { ok: true, ...tellingOf(told) }
    : { ok: false, error: message, ...(told.messages.length === 0 ? {} : tellingOf(told)) };
}

/** Why the actions could not be carried out, or null; what another attempt may mend is thrown. */
async function problemOf(
  play: Play,
  actions: readonly ToolAction[],
  under?: string,
): Promise<{ readonly type: string; readonly message: string } | null> {
  try {
    await performAll(play, actions, under);
    return null;
  } catch (error) {
    if (!isForModel(play.turn.context, error)) throw error;
    return { type: error.type, message: redactText(play.turn, error.message) };
  }
}

function tellingOf({ messages, values, reply }: Told): Readonly<Record<string, Json>> {
  const result = messages.length > 0 ? messages.join('\n') : cut(reply);
  if (values.size === 0) return { result };
  return { result, values: Object.fromEntries([...values].map(([key, value]) => [key, cut(value)])) };
}

function cut(json: Json): Json {
  const text = JSON.stringify(json);
  return text.length <= LONGEST_TOLD ? json : `${wellFormed(text.slice(0, LONGEST_TOLD))}...`;
}
