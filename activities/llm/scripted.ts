import { textOf } from '../../workflows/definition/values.js';
import { excerptOf, oneLine } from '../nodes/text.js';
import type { LlmPort, LlmRequest, LlmToolCall } from './port.js';
import { sampleOf } from './sample.js';

const QUOTED_LENGTH = 400;
const NOTICE = '[scripted] Written by rule, since no language model is configured (KEELSON_LLM_BASE_URL).';

const saidBy = ({ messages }: LlmRequest): string => {
  const last = messages.findLast(({ role }) => role === 'user');
  return last?.role === 'user' ? last.content : '';
};

function answer(request: LlmRequest): string {
  const { system, messages } = request;
  const [firstLine = ''] = system.split('\n');
  const role = oneLine(firstLine)
    .replace(/^You are /, '')
    .replace(/\.$/, '');
  const said = saidBy(request);
  const words = oneLine(said).split(' ').filter(Boolean).length;
  const last = messages.at(-1);
  const called = last?.role === 'tool' ? ` ${last.name} gave: ${excerptOf(textOf(last.output), QUOTED_LENGTH)}` : '';
  return `${NOTICE} As ${role} I was asked (words: ${words}): ${excerptOf(said, QUOTED_LENGTH)}${called}`;
}

/** Calls a tool that the message names, once, with arguments made up from its schema. */
function toolCalls(request: LlmRequest): readonly LlmToolCall[] {
  if (request.messages.at(-1)?.role === 'tool') return [];
  const words = saidBy(request).split(/[^\w.-]+/);
  const tool = request.tools?.find(({ name }) => words.includes(name));
  if (tool === undefined) return [];
  return [{ id: 'scripted-1', name: tool.name, args: sampleOf(tool.parameters ?? { type: 'object' }) }];
}

function textFor(request: LlmRequest): string {
  return request.schema === undefined ? answer(request) : JSON.stringify(sampleOf(request.schema));
}

/**
 * Stands in while no model is configured, and says so in every answer. A function of its request alone; it quotes the
 * message, so that conditions on an answer's text can be tried without a model.
 */
export const scriptedProvider: LlmPort = {
  complete: (request) => {
    const calls = toolCalls(request);
    const text = calls.length > 0 ? '' : textFor(request);
    for (const word of request.onText === undefined ? [] : text.split(/(?<= )/)) request.onText?.(word);
    const usage = { input_tokens: 0, output_tokens: 0 };
    return Promise.resolve({ text, toolCalls: calls, model: 'scripted', provider: 'scripted', usage });
  },
};
