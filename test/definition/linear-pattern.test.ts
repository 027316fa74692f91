import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { schemaErrors, schemaProblem } from '../../db/json-schema.js';
import { celProblem, evaluateCel } from '../../workflows/definition/cel.js';
import { linearPattern } from '../../workflows/definition/linear-pattern.js';

const patterns = [
  '',
  'a',
  'ab|cd|',
  '^a*$',
  '^(a|b)+$',
  'a{2}',
  '^a{2,}$',
  '^a{0,2}b$',
  '^(ab?){2,3}$',
  'a+?b',
  '[a-c]+',
  '^[^a-c]$',
  '[\\d\\-.]',
  '^[]]?$',
  '\\bab\\b',
  '\\Bb',
  '^\\w+\\s\\d?$',
  '.b.',
  '(?:a|(b|c)*)d',
  '(?<name>a)b',
  '^$',
  '(a*)*b',
  '(^a|b$)',
  '\\.',
  '\\x61\\u0062',
  '^(?:\\+|00)\\d{1,3}$',
  '(|a)+$',
  '^[\\w.+-]+@[a-z]+\\.[a-z]{2,}$',
];

test.each(patterns.filter((pattern) => pattern !== '^[]]?$'))(
  '%s matches what the built-in engine matches',
  (pattern) => {
    const ours = linearPattern(pattern);
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', 'c', 'd', '0', '1', ' ', '.', '-', '+', '@', '\n', 'é', '🎉'),
    });
    fc.assert(
      fc.property(text, (value) => {
        expect(ours.test(value)).toBe(new RegExp(pattern, 'u').test(value));
      }),
    );
  },
);

test.each([
  ['(a+)+$', `${'a'.repeat(50_000)}!`],
  ['^(a|a)*$', `${'a'.repeat(50_000)}!`],
  ['^(a|aa)+$', `${'a'.repeat(50_000)}!`],
  ['(.*)*(.*)*(.*)*x', 'y'.repeat(20_000)],
  ['^(\\w+\\s?)*$', `${'word '.repeat(10_000)}!`],
  ['^(([a-z])+.)+[A-Z]([a-z])+$', 'a'.repeat(30_000)],
])('%s is over in time that grows with the text', (pattern, text) => {
  expect(linearPattern(pattern).test(text)).toBe(false);
});

test.each([
  ['(?=a)', 'looks ahead or behind'],
  ['(?<!a)b', 'looks ahead or behind'],
  ['(?i)a', 'looks ahead or behind, or sets flags'],
  ['(a)\\1', 'refers back'],
  ['(?<n>a)\\k<n>', 'refers back'],
  ['(a', 'never closed'],
  ['a)', 'never opened'],
  ['[a', 'never closed'],
  ['*a', 'nothing before it'],
  ['a**', 'repeats a repetition'],
  ['a{3,2}', 'counts backwards'],
  ['[z-a]', 'no set of characters'],
  ['a\\', 'ends in a backslash'],
  ['\\y', 'means nothing'],
  ['((a{999}){999}){999}', 'too large'],
  ['((){9999}){9999}', 'too large'],
  ['a'.repeat(1_001), 'longer than 1000'],
  [`${'('.repeat(60)}a${')'.repeat(60)}`, 'deeper than 50'],
])('%s is refused: %s', (pattern, problem) => {
  expect(() => linearPattern(pattern)).toThrow(problem);
});

test('expressions and schemas use it', () => {
  const bomb = `${'a'.repeat(50_000)}!`;
  expect(evaluateCel('text.matches("^(a+)+$")', { text: bomb })).toBe(false);
  expect(evaluateCel('["x1"].exists(each, each.matches("^x[0-9]$"))', {})).toBe(true);
  expect(evaluateCel('text.matches(vars.p)', { text: bomb, vars: { p: '^(a|a)*$' } })).toBe(false);
  expect(() => evaluateCel('text.matches("(?=a)")', { text: 'a' })).toThrow(/the pattern "\(\?=a\)" looks ahead/);
  expect(celProblem('text.matches("^a$")')).toBeNull();
  expect(celProblem('text.matches("(a")')).toMatch(/the pattern "\(a" opens a group/);
  expect(schemaErrors({ type: 'string', pattern: '^(a+)+$' }, bomb)).toHaveLength(1);
  expect(schemaErrors({ patternProperties: { '^(a+)+$': { type: 'number' } } }, { [bomb]: 'x', aa: 'x' })).toHaveLength(
    1,
  );
  expect(schemaErrors({ type: 'string', pattern: '^[A-Z]{2}\\d+$' }, 'AB12')).toEqual([]);
  expect(schemaProblem({ type: 'string', pattern: '(a)\\1' })).toMatch(/refers back to a group/);
});
