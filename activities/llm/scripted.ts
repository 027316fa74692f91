import { excerptOf, oneLine } from '../nodes/text.js';
import type { LlmPort, LlmRequest } from './port.js';

const QUOTED_LENGTH = 400;
const NOTICE = '[scripted] Written by rule, since no language model is configured (KEELSON_LLM_BASE_URL).';

function answer({ system, messages }: LlmRequest): string {
  const [firstLine = ''] = system.split('\n');
  const role = oneLine(firstLine)
    .replace(/^You are /, '')
    .replace(/\.$/, '');
  const said = messages.findLast(({ role: by }) => by === 'user')?.content ?? '';
  const words = oneLine(said).split(' ').filter(Boolean).length;
  return `${NOTICE} As ${role} I was asked (words: ${words}): ${excerptOf(said, QUOTED_LENGTH)}`;
}

/**
 * Stands in while no model is configured, and says so in every answer. A function of its request alone; it quotes the
 * message, so that conditions on an answer's text can be tried without a model.
 */
export const scriptedProvider: LlmPort = {
  complete: (request) =>
    Promise.resolve({
      text: answer(request),
      model: 'scripted',
      provider: 'scripted',
      usage: { input_tokens: 0, output_tokens: 0 },
    }),
};
