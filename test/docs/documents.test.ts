import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { Fault } from '../../activities/nodes/failure.js';
import { ChainDocument, stepKinds } from '../../workflows/definition/chain.js';

const projectRoot = fileURLToPath(new URL('../../../', import.meta.url));
const read = (file: string): string => fs.readFileSync(path.join(projectRoot, file), 'utf8');
const documents = ['README.md', 'CONTRIBUTING.md', ...markdownIn('docs'), ...markdownIn('docs/decisions')];

function markdownIn(folder: string): readonly string[] {
  const names = fs.readdirSync(path.join(projectRoot, folder)).filter((name) => name.endsWith('.md'));
  return names.map((name) => path.join(folder, name));
}

test.each(documents)('the links of %s lead somewhere', (file) => {
  const links = [...read(file).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, link = '']) => link);
  const missing = links.filter((link) => !fs.existsSync(path.join(projectRoot, path.dirname(file), link)));
  expect(missing).toEqual([]);
});

test('the architecture fits on a few screens', () => {
  expect(read('docs/ARCHITECTURE.md').trimEnd().split('\n').length).toBeLessThanOrEqual(120);
});

test('CHAINS.md tells every step kind, and with EFFECTS.md every error', () => {
  const chains = read('docs/CHAINS.md');
  for (const word of stepKinds) expect(chains).toContain(`\`${word}\``);
  const both = chains + read('docs/EFFECTS.md');
  for (const word of Object.values(Fault)) expect(both).toContain(`\`${word}\``);
});

test('the document in CHAINS.md is a chain', () => {
  const example = /```json\n([\s\S]*?)\n```/.exec(read('docs/CHAINS.md'))?.[1] ?? '';
  expect(ChainDocument.safeParse(JSON.parse(example)).success).toBe(true);
});

test.each(['workflows/contract/activities.ts'])('WORKFLOWS.md tells every activity of %s', (file) => {
  const names = [...read(file).matchAll(/^ {2}readonly (\w+): \(/gm)].map(([, name = '']) => name);
  expect(names.length).toBeGreaterThan(5);
  for (const name of names) expect(read('docs/WORKFLOWS.md')).toContain(`\`${name}\``);
});
