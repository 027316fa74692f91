import { jsonSchema, Output, tool, type JSONSchema7, type JSONValue, type ModelMessage, type ToolSet } from 'ai';
import type { Json } from '../../workflows/definition/values.js';
import type { LlmMessage, LlmTool } from './port.js';

/** Our messages, tools and schemas in the SDK's form. */

const isList = (json: Json): json is readonly Json[] => Array.isArray(json);

export function messageOf(message: LlmMessage): ModelMessage {
  switch (message.role) {
    case 'user':
      return { role: 'user', content: message.content };
    case 'assistant':
      return { role: 'assistant', content: assistantParts(message) };
    case 'tool':
      return {
        role: 'tool',
        content: [
          {
            type: 'tool-result',
            toolCallId: message.callId,
            toolName: message.name,
            // -- reason: the same JSON, which the SDK types as mutable
            output: { type: 'json', value: message.output as JSONValue },
          },
        ],
      };
  }
}

function assistantParts({ content, toolCalls = [] }: Extract<LlmMessage, { readonly role: 'assistant' }>) {
  const calls = toolCalls.map(
    ({ id, name, args }) => ({ type: 'tool-call', toolCallId: id, toolName: name, input: args }) as const,
  );
  return content === '' && calls.length > 0 ? calls : [{ type: 'text', text: content } as const, ...calls];
}

const schemaOf = (schema: Json | null) => {
  const isObject = schema !== null && typeof schema === 'object' && !isList(schema);
  // -- reason: an author's JSON Schema; whoever asks checks values against it
  return jsonSchema<unknown>((isObject ? schema : { type: 'object' }) as JSONSchema7);
};

export const toolSet = (tools: readonly LlmTool[]): ToolSet =>
  Object.fromEntries(
    tools.map(({ name, description, parameters }) => [name, tool({ description, inputSchema: schemaOf(parameters) })]),
  );

/** Asks for JSON of a schema, and leaves reading it to the caller. */
export const answerOf = (schema: Json) => ({
  ...Output.object({ schema: schemaOf(schema) }),
  parseCompleteOutput: () => Promise.resolve(null),
});
