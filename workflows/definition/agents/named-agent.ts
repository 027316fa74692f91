import { z } from 'zod';
import { seconds, Template } from '../nodes/common.js';
import type { Json } from '../values.js';
import { resourceName } from './action-tool.js';

/** Agents by name: who speaks in calls and works in staged workflows. */

const provider = <const P extends readonly [string, ...string[]]>(names: P) =>
  z.looseObject({
    provider: z.enum(names).optional(),
    model: z.string().max(200).optional(),
  });

const Variable = z.strictObject({
  name: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'must be letters, digits and _, starting with no digit'),
  default: z.custom<Json>().optional(),
});

export const Prompt = z.strictObject({
  system: Template.min(1, 'must not be empty').meta({ description: 'What the agent is and does' }),
  greeting: Template.optional().meta({ description: 'Said when the agent takes over' }),
  greeting_interruptible: z.boolean().optional(),
  variables: z.array(Variable).max(100).default([]).meta({ description: 'Names the prompt uses, with defaults' }),
});

const Handoff = z.strictObject({
  target_agent: resourceName,
  conditions: z
    .array(z.string().min(1).max(4_000))
    .max(20)
    .default([])
    .meta({ description: 'Once all hold after a turn, control goes over: CEL, or a path such as flags.verified' }),
});

/** Provider blocks that are left out take the organisation's defaults. */
export const NamedAgentConfig = z
  .strictObject({
    prompt: Prompt,
    stt: provider(['deepgram', 'sarvam'])
      .extend({ language: z.string().max(20).optional() })
      .optional(),
    tts: provider(['cartesia', 'sarvam'])
      .extend({
        voice_id: z.string().max(200).optional(),
        options: z.looseObject({ emotion: z.string().max(100).optional(), speed: z.number().optional() }).optional(),
      })
      .optional(),
    llm: provider(['gemini', 'openai'])
      .extend({ temperature: z.number().min(0).max(2).optional() })
      .optional(),
    vad: z
      .looseObject({
        provider: z.enum(['silero']).optional(),
        activation_threshold: z.number().min(0).max(1).optional(),
      })
      .optional(),
    tools: z.array(resourceName).max(50).default([]).meta({ description: 'Names of tools; they must exist' }),
    handoffs: z.array(Handoff).max(50).default([]),
    session: z
      .strictObject({
        min_endpointing_delay: z.number().min(0).max(60).optional(),
        auto_disconnect_timeout: seconds.optional().meta({ description: 'Seconds of silence that end the call' }),
      })
      .optional(),
    languages: z.array(z.string().max(20)).max(50).default([]),
    default_language: z.string().max(20).optional(),
  })
  .meta({ id: 'NamedAgentConfig' });
export type NamedAgentConfig = z.output<typeof NamedAgentConfig>;

/** An agent as compilers need to know it. */
export interface NamedAgent {
  readonly name: string;
  readonly displayName: string;
  readonly description: string;
  readonly isActive: boolean;
  readonly config: NamedAgentConfig;
}
