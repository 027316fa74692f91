import { expect, test } from '@jest/globals';
import { createNodeEvents } from '../../activities/nodes/events.js';

const source = { run: { workspaceId: 'ws_1', runId: 'run_1' }, key: 'n/1', nodeId: 'n', attempt: 2 };

interface Written {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

function eventsOf(append: (event: Written) => Promise<void> = () => Promise.resolve()) {
  const written: Written[] = [];
  const warnings: string[] = [];
  const batches: number[] = [];
  const sink = {
    append: async (_run: object, events: readonly Written[]) => {
      batches.push(events.length);
      for (const event of events) await append(event);
      written.push(...events);
    },
    warn: (_fields: object, message: string) => void warnings.push(message),
  };
  return { written, warnings, batches, ...createNodeEvents(sink, source) };
}

test('tokens are gathered, numbered, and written in their order', async () => {
  const { emit, flush, written } = eventsOf();
  for (let index = 0; index < 500; index += 1) emit({ type: 'token', text: `word${index} ` });
  emit({ type: 'log', lines: ['a line'] });
  emit({ type: 'token', text: 'end' });
  await flush();
  const tokens = written.filter(({ type }) => type === 'token');
  expect(tokens.length).toBeLessThan(6);
  expect(tokens.map(({ data }) => data['index'])).toEqual(tokens.map((_, index) => index));
  expect(tokens.map(({ data }) => data['text']).join('')).toMatch(/^word0 word1 .* word499 end$/);
  expect(written.find(({ type }) => type === 'log')?.data).toEqual({
    key: 'n/1',
    node_id: 'n',
    attempt: 2,
    lines: ['a line'],
  });
});

test('a character that comes in two halves is written whole, and nothing that Postgres cannot keep', async () => {
  const { emit, flush, written } = eventsOf();
  emit({ type: 'token', text: `${'x'.repeat(2_047)}\ud83d` });
  emit({ type: 'token', text: '\ude00\0' });
  await flush();
  expect(written.map(({ data }) => data['text']).join('')).toBe(`${'x'.repeat(2_047)}\u{1f600}\uFFFD`);
});

test('an event that cannot be written never fails the step', async () => {
  const { emit, flush, warnings } = eventsOf(() => Promise.reject(new Error('away')));
  emit({ type: 'token', text: 'x' });
  await flush();
  expect(warnings).toHaveLength(1);
});

test('what comes while something is written is written together', async () => {
  const { emit, flush, written, batches } = eventsOf();
  for (const lines of [['a'], ['b'], ['c'], ['d']]) emit({ type: 'log', lines });
  await flush();
  expect(written.map(({ data }) => data['lines'])).toEqual([['a'], ['b'], ['c'], ['d']]);
  expect(batches).toEqual([4]);
});
