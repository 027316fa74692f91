import { expect, test } from '@jest/globals';
import { z } from 'zod';
import { sentenceOf } from '../../api/http/sentences.js';

const kinds = z.discriminatedUnion('kind', [z.object({ kind: z.literal('a') }), z.object({ kind: z.literal('b') })]);

test.each([
  ['another type', z.string(), 3, 'must be a string'],
  ['an unknown choice', z.enum(['draft', 'live']), 'liv', 'must be one of draft, live'],
  ['an unknown kind', kinds, { kind: 'c' }, 'must be one of a, b'],
  ['too short a text', z.string().min(3), 'x', 'must have at least 3 characters'],
  ['too long a list', z.array(z.string()).max(1), ['a', 'b'], 'must have at most 1 items'],
  ['too small a number', z.number().gt(0), 0, 'must be more than 0'],
  ['a schema with words of its own', z.string('say who'), 3, 'say who'],
])('%s is told in plain words', (...[, schema, value, sentence]) => {
  expect(schema.safeParse(value, { error: sentenceOf }).error?.issues[0]?.message).toBe(sentence);
});
