import { z } from 'zod';
import { JsonSchema, Template } from './common.js';

/** Configurations of the nodes that ask a language model or a knowledge base. */

const model = {
  model: z.string().max(200).optional().meta({ description: "Name of a configured model; the workspace's without it" }),
  temperature: z.number().min(0).max(2).optional().meta({ description: "The model's own without it" }),
  max_tokens: z.number().int().min(1).max(200_000).optional().meta({ description: 'Longest answer' }),
};

export const LlmConfig = z.strictObject({
  system: Template.optional().meta({ description: 'System prompt' }),
  prompt: Template.optional().meta({ description: "The user's message; the text of the node's input without it" }),
  schema: JsonSchema.optional().meta({ description: 'The answer is JSON of this schema, and the output that JSON' }),
  ...model,
});

export const AgentConfig = z.strictObject({
  instructions: Template.default('').meta({ description: 'What the agent is and does; must not be empty' }),
  message: Template.optional().meta({
    description: "The user's message; the last message of the conversation, or the input's text, without it",
  }),
  greeting: Template.optional().meta({ description: 'Said at the start of a conversation' }),
  tools: z.array(z.string().max(200)).max(50).default([]).meta({ description: 'Names of workspace tools it may call' }),
  max_steps: z.number().int().min(1).max(50).default(8).meta({ description: 'Model calls at most' }),
  memory: z.boolean().default(true).meta({ description: 'Remembers the conversation in vars._agent_memory_ID' }),
  ...model,
});

export const KnowledgeConfig = z.strictObject({
  collection: z.string().max(200).optional().meta({ description: 'Where to search; everywhere without it' }),
  query: Template.optional().meta({ description: 'The last message, or the text of the input, without it' }),
  top_k: z.number().int().min(1).max(50).default(5).meta({ description: 'How many passages' }),
  synthesize: z.boolean().default(false).meta({ description: 'Lets the model answer from what was found' }),
  ...model,
});
