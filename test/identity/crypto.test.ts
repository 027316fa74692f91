import { describe, expect, test } from '@jest/globals';
import { createVault, deriveKey, equalSecrets, randomToken, sha256Hex } from '../../db/crypto.js';

const key = Buffer.alloc(32, 1);
const ref = { workspaceId: 'ws_a', name: 'API_KEY' };

describe('vault', () => {
  test('opens what it sealed, and seals the same value differently each time', () => {
    const vault = createVault(key);
    const sealed = vault.seal(ref, 'hunter2 ✓');
    expect(sealed).toMatch(/^ec1:[0-9a-f]{8}:[\w-]+$/);
    expect(sealed).not.toContain('hunter2');
    expect(vault.open(ref, sealed)).toBe('hunter2 ✓');
    expect(vault.seal(ref, 'hunter2 ✓')).not.toBe(sealed);
  });

  test('another master key is named, not guessed', () => {
    const sealed = createVault(key).seal(ref, 'hunter2');
    expect(() => createVault(Buffer.alloc(32, 2)).open(ref, sealed)).toThrow(
      /API_KEY was sealed with master key .*KEELSON_MASTER_KEY/,
    );
  });

  test('a ciphertext moved to another workspace or name does not open', () => {
    const vault = createVault(key);
    const sealed = vault.seal(ref, 'hunter2');
    expect(() => vault.open({ ...ref, workspaceId: 'ws_b' }, sealed)).toThrow(/damaged or was copied/);
    expect(() => vault.open({ ...ref, name: 'OTHER' }, sealed)).toThrow(/damaged or was copied/);
  });

  test('a changed, cut or foreign text is refused', () => {
    const vault = createVault(key);
    const sealed = vault.seal(ref, 'hunter2');
    const changed = sealed.slice(0, -3) + (sealed.endsWith('AAA') ? 'BBB' : 'AAA');
    expect(() => vault.open(ref, changed)).toThrow(/damaged/);
    expect(() => vault.open(ref, sealed.slice(0, 20))).toThrow(/damaged/);
    expect(() => vault.open(ref, 'plain')).toThrow(/not in a form/);
  });

  test('a master key of another length is refused', () => {
    expect(() => createVault(Buffer.alloc(16))).toThrow('The master key must be 32 bytes, not 16.');
  });
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
