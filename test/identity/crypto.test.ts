import { expect, test } from '@jest/globals';
import { deriveKey, equalSecrets, randomToken, sha256Hex } from '../../db/crypto.js';

const key = Buffer.alloc(32, 1);
test('a master key of another length is refused', () => {
  expect(() => deriveKey(Buffer.alloc(16), 'jwt')).toThrow('The master key must be 32 bytes, not 16.');
});

test('keys of two purposes differ and stay the same', () => {
  expect(deriveKey(key, 'jwt')).toEqual(deriveKey(key, 'jwt'));
  expect(deriveKey(key, 'jwt')).not.toEqual(deriveKey(key, 'refresh'));
});

test('tokens are 43 characters and never twice the same', () => {
  const tokens = new Set(Array.from({ length: 100 }, randomToken));
  expect(tokens.size).toBe(100);
  for (const token of tokens) expect(token).toMatch(/^[\w-]{43}$/);
});

test('hashes and compares', () => {
  expect(sha256Hex('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect(equalSecrets('abc', 'abc')).toBe(true);
  expect(equalSecrets('abc', 'abcd')).toBe(false);
});
