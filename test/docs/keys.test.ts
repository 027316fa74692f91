import fs from 'node:fs';
import { expect, test } from '@jest/globals';
import { keyScopes, scopeCapabilities } from '../../api/services/scopes.js';

const document = fs.readFileSync(new URL('../../../docs/KEYS.md', import.meta.url), 'utf8');

test('KEYS.md tells what each scope of a key gives', () => {
  const rows = [...document.matchAll(/^\| `(\w+:\w+)` +\| (.+?) +\|$/gm)].map(([, scope = '', given = '']) => [
    scope,
    [...given.matchAll(/`([\w.]+)`/g)].map(([, capability = '']) => capability),
  ]);
  expect(Object.fromEntries(rows)).toEqual(
    Object.fromEntries(keyScopes.map((scope) => [scope, [...scopeCapabilities([scope])]])),
  );
});
