import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createRedactor, recordSecrets } from '../../activities/nodes/redact.js';

const value = 'p@ss/w"rd+ü 1';
const { redactText, redactJson } = createRedactor([
  ['KEY', value],
  ['SHORT', 'abc'],
  ['PIN', '12345678'],
]);

test.each([
  ['as it is', `x ${value} y`],
  ['in a URL', `https://h/?k=${encodeURIComponent(value)}&z`],
  ['in a form', new URLSearchParams({ k: value }).toString()],
  ['in a URL, lower case', encodeURIComponent(value).replace(/%../g, (escape) => escape.toLowerCase())],
  ['inside JSON text', JSON.stringify({ k: value })],
  ['in hex', Buffer.from(value).toString('hex')],
  ['in base64', Buffer.from(value).toString('base64')],
  ['in base64url', Buffer.from(value).toString('base64url')],
  ['in basic authentication', `Basic ${Buffer.from(`user:${value}`).toString('base64')}`],
])('a secret %s is taken out', (_where, text) => {
  const redacted = redactText(text);
  expect(redacted).toContain('[secret:KEY]');
  expect(redacted).not.toContain(value);
});

test('base64 at any place of a longer text', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 4 }),
      fc.string({ maxLength: 20 }),
      fc.string({ maxLength: 20 }),
      (secret, before, after) => {
        fc.pre(Buffer.byteLength(secret) >= 6);
        const encoded = Buffer.from(before + secret + after).toString('base64');
        expect(createRedactor([['S', secret]]).redactText(encoded)).toContain('[secret:S]');
      },
    ),
  );
});

test('JSON is redacted in values, keys and numbers; the rest is the same', () => {
  const json = { a: [value, 1, null, true], [value]: { deep: `-${value}-` }, pin: 12_345_678, short: 'abc' };
  expect(redactJson(json)).toEqual({
    a: ['[secret:KEY]', 1, null, true],
    '[secret:KEY]': { deep: '-[secret:KEY]-' },
    pin: '[secret:PIN]',
    short: 'abc',
  });
});

test('the longer of two secrets wins where one lies in the other', () => {
  const redactor = createRedactor([
    ['A', 'token'],
    ['B', 'token-long'],
  ]);
  expect(redactor.redactText('token-long token')).toBe('[secret:B] [secret:A]');
});

test('values are text, not patterns', () => {
  expect(createRedactor([['A', 'a.*[b]\\']]).redactText('a.*[b]\\ axxb')).toBe('[secret:A] axxb');
});

test('without secrets nothing is copied', () => {
  const json = { a: 1 };
  expect(createRedactor([]).redactJson(json)).toBe(json);
});

test('used secrets are recorded', async () => {
  const { secret, used } = recordSecrets((name) => Promise.resolve(`${name}-value`));
  await secret('A');
  await secret('A');
  expect([...used]).toEqual([['A', 'A-value']]);
});
