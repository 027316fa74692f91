import { z } from 'zod';
import { resourceName } from '../../workflows/definition/agents/action-tool.js';
import { NamedAgentConfig } from '../../workflows/definition/agents/named-agent.js';
import { JsonValue } from '../http/schemas.js';

const displayName = z.string().trim().min(1).max(200);
const description = z.string().max(2_000);

/** A reply may be sent back as it came: what nobody sets is passed over. */
export const ignored = {
  id: JsonValue.optional(),
  status: JsonValue.optional(),
  effective: JsonValue.optional(),
  created_at: JsonValue.optional(),
  updated_at: JsonValue.optional(),
};

const config = {
  prompt: { system: 'You help guests choose a meal. Be brief.', greeting: 'Hello, what may I bring you?' },
  llm: { provider: 'gemini', model: 'gemini-2.0-flash', temperature: 0.4 },
  handoffs: [{ target_agent: 'cashier', conditions: ['flags.meal_chosen'] }],
  session: { auto_disconnect_timeout: 60 },
  languages: ['en'],
};

const fields = {
  display_name: displayName.nullish().meta({ description: 'The name without it' }),
  description: description.nullish(),
  is_active: z.boolean().default(true),
  config: NamedAgentConfig,
};

export const NewAgent = z
  .strictObject({
    ...ignored,
    name: resourceName.meta({ description: 'Unique in the workspace, for good' }),
    ...fields,
  })
  .meta({ id: 'NewAgent', example: { name: 'waiter', display_name: 'Waiter', config } });
export type NewAgent = z.output<typeof NewAgent>;

export const AgentReplacement = z
  .strictObject({ ...ignored, name: resourceName.optional(), ...fields })
  .meta({ id: 'AgentReplacement', example: { display_name: 'Waiter', config } });
export type AgentReplacement = z.output<typeof AgentReplacement>;

export const AgentChange = z
  .strictObject({
    ...ignored,
    name: resourceName.optional(),
    display_name: displayName.nullish(),
    description: description.nullish(),
    is_active: z.boolean().optional(),
    config: z
      .record(z.string(), JsonValue)
      .optional()
      .meta({ description: 'Merged into what is there, deeply; null takes a value away' }),
  })
  .meta({ id: 'AgentChange', example: { config: { llm: { temperature: 0.2 }, session: null } } });
export type AgentChange = z.output<typeof AgentChange>;
