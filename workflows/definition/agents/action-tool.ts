import { z } from 'zod';
import { Expr, Mapping, seconds, Template } from '../nodes/common.js';
import type { Json } from '../values.js';

/** Tools of named agents: a list of actions that are carried out in order when the model calls the tool. */

/** What agents and tools are called by. */
export const resourceName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,62}$/, 'must be 1 to 63 of a-z 0-9 _ -, beginning with a letter');

export const ToolParameter = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'must be letters, digits and _, at most 64, starting with no digit'),
  type: z.enum(['string', 'integer', 'number', 'boolean', 'array', 'object']),
  required: z.boolean().default(false),
  enum: z.array(z.custom<Json>()).min(1).max(200).optional(),
  description: z.string().max(2_000).default(''),
  default: z.custom<Json>().optional(),
});
export type ToolParameter = z.output<typeof ToolParameter>;

const contextPath = z.string().min(1).max(200);
const flag = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'must be letters, digits and _, at most 64, starting with no digit');

const call = {
  url: Template.optional().meta({ description: 'Address; or name an `endpoint`' }),
  endpoint: z.string().max(100).optional().meta({ description: "Name of one of the organisation's endpoints" }),
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).optional(),
  body: Mapping.optional(),
  payload: Mapping.optional().meta({ description: 'Another name of body' }),
  headers: z.record(z.string(), Template).optional(),
  timeout: z.number().min(0.1).max(120).optional().meta({ description: 'Seconds; 30 without it' }),
  save_as: z.string().max(200).optional().meta({ description: 'Context key that takes the reply' }),
};

/** One action; `data`, `path`, `payload` are the older names of `value`, `key`, `body`. */
export type ToolAction =
  | {
      readonly type: 'context.set';
      readonly key?: string | undefined;
      readonly path?: string | undefined;
      readonly value?: Json | undefined;
      readonly data?: Json | undefined;
    }
  | { readonly type: 'context.get' | 'context.delete'; readonly key: string }
  | { readonly type: 'flag.set' | 'flag.clear'; readonly flag: string }
  | { readonly type: 'respond'; readonly message?: string | undefined; readonly message_key?: string | undefined }
  | { readonly type: 'handoff'; readonly target: string }
  | {
      readonly type: 'webhook' | 'api_call';
      readonly url?: string | undefined;
      readonly endpoint?: string | undefined;
      readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | undefined;
      readonly body?: Json | undefined;
      readonly payload?: Json | undefined;
      readonly headers?: Readonly<Record<string, string>> | undefined;
      readonly timeout?: number | undefined;
      readonly save_as?: string | undefined;
    }
  | { readonly type: 'wait'; readonly seconds: number }
  | { readonly type: 'end_call'; readonly message?: string | undefined; readonly reason?: string | undefined }
  | {
      readonly type: 'condition';
      readonly if: string;
      readonly then: readonly ToolAction[];
      readonly else: readonly ToolAction[];
    }
  | { readonly type: 'log'; readonly message: string; readonly level: 'debug' | 'info' | 'warn' | 'error' };

const MOST_ACTIONS = 50;
/** A call waits while a tool waits. */
const LONGEST_WAIT_SECONDS = 30;

const plainActions = [
  z.strictObject({
    type: z.literal('context.set'),
    key: contextPath.optional().meta({ description: 'Dotted path; `[+]` at its end appends to a list' }),
    path: contextPath.optional().meta({ description: 'Another name of key' }),
    value: Mapping.optional().meta({
      description: 'A value; templates and the bare word `params.x` are filled in',
    }),
    data: Mapping.optional().meta({ description: 'Another name of value' }),
  }),
  z.strictObject({ type: z.literal('context.get'), key: contextPath }),
  z.strictObject({ type: z.literal('context.delete'), key: contextPath }),
  z.strictObject({ type: z.literal('flag.set'), flag }),
  z.strictObject({ type: z.literal('flag.clear'), flag }),
  z.strictObject({
    type: z.literal('respond'),
    message: Template.optional().meta({ description: 'Told to the model as the result; or give a message_key' }),
    message_key: contextPath.optional().meta({ description: 'Context key that holds the message' }),
  }),
  z.strictObject({ type: z.literal('handoff'), target: resourceName.meta({ description: 'Name of an agent' }) }),
  z.strictObject({ type: z.literal('webhook'), ...call }),
  z.strictObject({ type: z.literal('api_call'), ...call }),
  z.strictObject({ type: z.literal('wait'), seconds: seconds.max(LONGEST_WAIT_SECONDS) }),
  z.strictObject({
    type: z.literal('end_call'),
    message: Template.optional().meta({ description: 'Said before the call ends' }),
    reason: z.string().max(200).optional(),
  }),
  z.strictObject({
    type: z.literal('log'),
    message: Template,
    level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  }),
] as const;

const conditionAction = () =>
  z.strictObject({
    type: z.literal('condition'),
    if: Expr.meta({ description: 'CEL over `params`, `context`, `flags`, `user`, or a path that is to be truthy' }),
    then: z.array(ToolAction).max(MOST_ACTIONS).default([]),
    else: z.array(ToolAction).max(MOST_ACTIONS).default([]),
  });

export const ToolAction: z.ZodType<ToolAction> = z
  .lazy(() => z.discriminatedUnion('type', [...plainActions, conditionAction()]))
  .meta({ id: 'ToolAction' });

const actions = z.array(ToolAction).max(MOST_ACTIONS).default([]);

export const ActionToolConfig = z.strictObject({
  parameters: z.array(ToolParameter).max(50).default([]),
  actions: actions.meta({ description: 'Carried out in order; the first that fails ends the list' }),
  on_success: actions.meta({ description: 'Carried out when all of them succeeded' }),
  on_failure: actions.meta({ description: 'Carried out otherwise' }),
});
export type ActionToolConfig = z.output<typeof ActionToolConfig>;

/** A tool as plans hold it. */
export interface ActionTool {
  readonly name: string;
  readonly description: string;
  readonly config: ActionToolConfig;
}
