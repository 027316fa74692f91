import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { scratchFolder } from '../support/scratch.js';

interface Upkeep {
  readonly nodeTrouble: (version: string) => string | undefined;
  readonly isInstalled: (root: string) => boolean;
  readonly isBuilt: (root: string) => boolean;
  readonly sourceStamp: (root: string) => string;
}

// -- reason: plain JavaScript beside the sources, without types
const upkeep = (await import(pathToFileURL(path.resolve('local/upkeep.mjs')).href)) as Upkeep;

type Packages = Record<string, { version?: string; optional?: boolean }>;

function project(wanted: Packages, present?: Packages): string {
  const root = scratchFolder();
  const write = (file: string, content: string): void => {
    fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    fs.writeFileSync(path.join(root, file), content);
  };
  write('tsconfig.json', '{}');
  write('db/client.ts', 'export {};');
  write('package-lock.json', JSON.stringify({ packages: { '': { version: '1.0.0' }, ...wanted } }));
  if (present !== undefined) write('node_modules/.package-lock.json', JSON.stringify({ packages: present }));
  return root;
}

const lock: Packages = {
  'node_modules/a': { version: '1.0.0' },
  'node_modules/mac': { version: '2.0.0', optional: true },
};

describe('packages are installed again', () => {
  test.each<[string, Packages | undefined, boolean]>([
    ['when there are none', undefined, false],
    ['not when all that this machine needs is there', { 'node_modules/a': { version: '1.0.0' } }, true],
    ['when one has another version', { 'node_modules/a': { version: '1.0.1' } }, false],
    ['when one is missing', {}, false],
    ['when one is there that is wanted no more', { ...lock, 'node_modules/b': { version: '1.0.0' } }, false],
  ])('%s', (_name, present, installed) => {
    expect(upkeep.isInstalled(project(lock, present))).toBe(installed);
  });
});

describe('the sources are built again', () => {
  function built(): string {
    const root = project({});
    fs.mkdirSync(path.join(root, 'dist/.build'), { recursive: true });
    fs.writeFileSync(path.join(root, 'dist/.build/stamp-all'), upkeep.sourceStamp(root));
    return root;
  }

  test('not when nothing changed', () => {
    expect(upkeep.isBuilt(built())).toBe(true);
    expect(upkeep.isBuilt(project({}))).toBe(false);
  });

  test.each<[string, (root: string) => void]>([
    ['when one changed', (root) => fs.writeFileSync(path.join(root, 'db/client.ts'), 'export const a = 1;')],
    ['when one came', (root) => fs.writeFileSync(path.join(root, 'db/new.ts'), '')],
    ['when one went', (root) => fs.rmSync(path.join(root, 'db/client.ts'))],
    [
      'when the packages changed',
      (root) => fs.writeFileSync(path.join(root, 'package-lock.json'), '{"packages":{"x":{}}}'),
    ],
  ])('%s', (_name, change) => {
    const root = built();
    change(root);
    expect(upkeep.isBuilt(root)).toBe(false);
  });
});

test('a Node that is too old is told in one sentence', () => {
  expect(upkeep.nodeTrouble('18.20.4')).toMatch(
    /^Keelson needs Node 20\.18\.1 or newer, and this is 18\.20\.4: install/,
  );
  expect(['20.18.1', '20.19.0', '22.0.0', '24.1.0'].map(upkeep.nodeTrouble)).toEqual(Array(4).fill(undefined));
});
