import type { ToolAction } from '../../workflows/definition/agents/action-tool.js';
import { truthCondition } from '../../workflows/definition/agents/truth-condition.js';
import { textOf, type Json } from '../../workflows/definition/values.js';
import { Fault, invalid } from '../nodes/failure.js';
import { wellFormed } from '../nodes/text.js';
import { callOutside, spelledOut, waitFor, type CallAction } from './outside.js';
import { deskOf, withoutSecrets, type Turn } from './turn.js';

/** One call of a tool whose actions are carried out. */
export interface Play {
  readonly turn: Turn;
  /** `tool/2` */
  readonly part: string;
  readonly params: Readonly<Record<string, Json>>;
  /** Why the tool failed, for the actions of `on_failure`. */
  readonly error: Json;
  readonly told: Told;
}

/** What the model is told beside whether it went well. */
export interface Told {
  readonly messages: string[];
  readonly values: Map<string, Json>;
  /** Of the last call to another system. */
  reply: Json;
}

type Type = ToolAction['type'];
type ActionOf<T extends Type> = Extract<ToolAction, { readonly type: T }>;
type Perform<T extends Type> = (play: Play, action: ActionOf<T>, place: string) => Promise<void> | void;

const LONGEST_LINE = 1_000;

const render = (play: Play, field: string, template: string): Promise<string> =>
  desk(play).templates.render(field, withoutSecrets(field, template));

const desk = ({ turn, params, error }: Play, place?: string) => {
  const key = place === undefined ? {} : { idempotency_key: `${turn.context.idempotencyKey}/${place}` };
  return deskOf(turn, { params, ...(error === null ? {} : { error }), ...key });
};

const keyOf = (key: string | undefined): string => {
  if (key !== undefined) return key;
  throw invalid(Fault.configInvalid, 'key: say where the value goes.');
};

async function setContext(play: Play, action: ActionOf<'context.set'>): Promise<void> {
  const { key, path, value, data = null } = action;
  const mapping = withoutSecrets('value', spelledOut(value ?? data));
  play.turn.board.set(keyOf(key ?? path), await desk(play).templates.resolve('value', mapping));
}

async function respond(play: Play, { message, message_key: key }: ActionOf<'respond'>): Promise<void> {
  const { board } = play.turn;
  // what stands in the context is a text, never a template: users wrote it
  const text = message === undefined ? textOf(board.get(keyOf(key))) : await render(play, 'message', message);
  if (text.trim() === '') throw invalid(Fault.configInvalid, `message: there is nothing to respond.`);
  play.told.messages.push(text);
  board.say(text, 'if_silent');
}

function handOver({ turn }: Play, { target }: ActionOf<'handoff'>): void {
  const { agent, handoffs } = turn.context.node.config;
  const handoff = handoffs.find((each) => each.agent === target);
  if (handoff === undefined)
    throw invalid(Fault.configInvalid, `target: "${agent}" is not connected to an agent "${target}".`);
  turn.board.decide({ outcome: 'handoff', target: handoff.node, reason: null });
}

async function call(play: Play, action: CallAction, place: string): Promise<void> {
  const part = `${play.part}/${place}`;
  const body = await callOutside(play.turn, { action, params: play.params, desk: desk(play, part), part });
  play.told.reply = body;
  if (action.save_as !== undefined) play.turn.board.set(action.save_as, body);
}

async function endCall(play: Play, { message, reason }: ActionOf<'end_call'>): Promise<void> {
  const { board } = play.turn;
  if (message !== undefined) board.say(await render(play, 'message', message), 'at_end');
  board.decide({ outcome: 'end', target: null, reason: reason ?? 'agent' });
}

async function choose(play: Play, action: ActionOf<'condition'>, place: string): Promise<void> {
  const truth = truthCondition(action.if, 'tool');
  if ('problem' in truth) throw invalid(Fault.configInvalid, `if: ${truth.problem}`);
  const holds = desk(play).templates.evaluate('if', truth.expr) === true;
  await performAll(play, holds ? action.then : action.else, `${place}.${holds ? 'then' : 'else'}`);
}

async function log(play: Play, { message, level }: ActionOf<'log'>): Promise<void> {
  const line = wellFormed((await render(play, 'message', message)).slice(0, LONGEST_LINE));
  play.turn.context.emit({ type: 'log', lines: [line], level });
}

const performers: { readonly [T in Type]: Perform<T> } = {
  'context.set': setContext,
  'context.get': ({ turn, told }, { key }) => void told.values.set(key, turn.board.get(key)),
  'context.delete': ({ turn }, { key }) => turn.board.remove(key),
  'flag.set': ({ turn }, { flag }) => turn.board.flag(flag, true),
  'flag.clear': ({ turn }, { flag }) => turn.board.flag(flag, false),
  respond,
  handoff: handOver,
  webhook: call,
  api_call: call,
  wait: ({ turn }, { seconds }) => waitFor(turn, seconds * 1_000),
  end_call: endCall,
  condition: choose,
  log,
};

/** In order; the first that fails ends it. `under` is where the list stands: `success`, `0.then`, nothing for the actions. */
export async function performAll(play: Play, actions: readonly ToolAction[], under = ''): Promise<void> {
  for (const [index, action] of actions.entries()) {
    // -- reason: performers are total over types; the record cannot say that this one takes this action's type
    const perform = performers[action.type] as Perform<Type>;
    await perform(play, action, under === '' ? String(index) : `${under}.${index}`);
  }
}
