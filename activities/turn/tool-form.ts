import type { ActionTool, ToolParameter } from '../../workflows/definition/agents/action-tool.js';
import type { AgentTurnConfig, TurnHandoff } from '../../workflows/definition/agents/agent-turn.js';
import type { Json } from '../../workflows/definition/values.js';
import type { LlmTool } from '../llm/port.js';

/** What the model may call in a turn. */
export type Offered = LlmTool &
  (
    | { readonly does: 'tool'; readonly tool: ActionTool }
    | { readonly does: 'handoff'; readonly handoff: TurnHandoff }
    | { readonly does: 'end' }
  );

/** Models take no longer names. */
const LONGEST_NAME = 64;

const message = (description: string): Json => ({
  type: 'object',
  properties: { message: { type: 'string', description } },
  additionalProperties: false,
});

/** A tool that is named as one of ours stands for it. */
export function offeredTools({ tools, handoffs, may_end: mayEnd, answers }: AgentTurnConfig): readonly Offered[] {
  const own = tools.map((tool): Offered => {
    const { name, description, config } = tool;
    return { does: 'tool', name, description, parameters: schemaOf(config.parameters), tool };
  });
  const ways = answers === 'turn' ? [...handoffs.map(wayTo), ...(mayEnd === true ? [end] : [])] : [];
  const all = [...own, ...ways];
  return all.filter(({ name }, index) => all.findIndex((each) => each.name === name) === index);
}

const wayTo = (handoff: TurnHandoff): Offered => ({
  ...{ does: 'handoff', handoff, name: `handoff_to_${handoff.agent}`.slice(0, LONGEST_NAME) },
  description: handoff.description || `Hands the conversation over to ${handoff.agent}.`,
  parameters: message('What is said to the user while handing over'),
});

const end: Offered = {
  ...{ does: 'end', name: 'end_call', description: 'Ends the conversation.' },
  parameters: message('The last words to the user'),
};

export function schemaOf(parameters: readonly ToolParameter[]): Json {
  const required = parameters.filter((each) => each.required && each.default === undefined).map(({ name }) => name);
  return {
    type: 'object',
    properties: Object.fromEntries(parameters.map((each) => [each.name, propertyOf(each)])),
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
  };
}

const propertyOf = ({ type, description, enum: values, default: preset }: ToolParameter): Json => ({
  type,
  ...(description === '' ? {} : { description }),
  ...(values === undefined ? {} : { enum: values }),
  ...(preset === undefined ? {} : { default: preset }),
  // endpoints refuse a list that does not say of what
  ...(type === 'array' ? { items: {} } : {}),
});

/** The arguments with defaults for those left out; null where there is none, so that every parameter can be read. */
export const paramsOf = (
  parameters: readonly ToolParameter[],
  args: Readonly<Record<string, Json>>,
): Readonly<Record<string, Json>> =>
  Object.fromEntries(
    parameters.map(({ name, default: preset = null }) => [
      name,
      Object.hasOwn(args, name) ? (args[name] ?? null) : preset,
    ]),
  );
