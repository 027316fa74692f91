import { z } from 'zod';
import { ActionToolConfig, resourceName } from '../../workflows/definition/agents/action-tool.js';
import { JsonValue } from '../http/schemas.js';
import { ignored } from './agent-input.js';

/** The model gets tools of these names for the hand-over and the end of a call. */
const name = resourceName
  .refine((each) => each !== 'end_call' && !each.startsWith('handoff_to_'), 'is taken: agents have a tool of that name')
  .meta({ description: 'Unique in the workspace, for good' });
const description = z.string().max(2_000).nullish().meta({ description: 'What it does, as the model reads it' });

const { shape } = ActionToolConfig;
/** Each may also stand beside `config`, as in older clients. */
const lists = {
  parameters: shape.parameters.unwrap().optional(),
  actions: shape.actions.unwrap().optional(),
  on_success: shape.on_success.unwrap().optional(),
  on_failure: shape.on_failure.unwrap().optional(),
};
const Lists = z.strictObject(lists);
type Lists = z.output<typeof Lists>;

const config = {
  parameters: [{ name: 'meal', type: 'string', required: true, enum: ['soup', 'curry'] }],
  actions: [
    { type: 'context.set', key: 'meals[+]', value: 'params.meal' },
    { type: 'flag.set', flag: 'meal_chosen' },
  ],
  on_success: [{ type: 'respond', message: 'One {{ params.meal }}, noted.' }],
};
const example = { description: 'Notes what the guest chose', config };

const parts = { ...ignored, category: JsonValue.optional(), description, config: Lists.optional(), ...lists };

export const NewActionTool = z
  .strictObject({ ...parts, name })
  .meta({ id: 'NewActionTool', example: { name: 'choose_meal', ...example } });
export type NewActionTool = z.output<typeof NewActionTool>;

export const ActionToolReplacement = z
  .strictObject({ ...parts, name: resourceName.optional() })
  .meta({ id: 'ActionToolReplacement', example });
export type ActionToolReplacement = z.output<typeof ActionToolReplacement>;

export const ActionToolChange = z
  .strictObject({
    ...parts,
    name: resourceName.optional(),
    config: z
      .record(z.string(), JsonValue)
      .optional()
      .meta({ description: 'Merged into what is there; a list is replaced, null empties it' }),
  })
  .meta({ id: 'ActionToolChange', example: { description: 'Notes the meal' } });
export type ActionToolChange = z.output<typeof ActionToolChange>;

export const listNames = ['parameters', 'actions', 'on_success', 'on_failure'] as const;

/** Those that stand beside `config`. */
export const outsideOf = (body: Lists): ReadonlySet<(typeof listNames)[number]> =>
  new Set(listNames.filter((key) => body[key] !== undefined));

/** Whichever way they came. */
export const configOf = (body: Lists & { readonly config?: Lists | undefined }): ActionToolConfig => {
  const { config: inside = {} } = body;
  return {
    parameters: body.parameters ?? inside.parameters ?? [],
    actions: body.actions ?? inside.actions ?? [],
    on_success: body.on_success ?? inside.on_success ?? [],
    on_failure: body.on_failure ?? inside.on_failure ?? [],
  };
};
