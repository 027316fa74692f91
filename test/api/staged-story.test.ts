import { expect, test } from '@jest/globals';
import { createStory, type Told } from '../../api/services/staged/story.js';
import { stepPlaces } from '../../api/services/staged/kind.js';
import type { Json } from '../../workflows/definition/values.js';

const places = stepPlaces({
  stages: [
    {
      name: 'fan',
      mode: 'parallel',
      steps: [
        { name: 'a', agent_key: 'ana' },
        { name: 'b', agent_key: 'ben' },
      ],
    },
  ],
});

/** What a log is told as, in short. */
async function told(...log: readonly (readonly [string, Readonly<Record<string, Json>>])[]): Promise<readonly Told[]> {
  const cost = { usd: 0.5, input_tokens: 3, output_tokens: 4 };
  const story = createStory({ places, outputOf: async (key) => (key === 'a/1' ? { output: { n: 1 }, cost } : null) });
  const all: Told[] = [];
  for (const [type, data] of log) all.push(...(await story.tell({ type, data: { at: 'now', ...data } })));
  return all;
}

test('a run begins once, whatever becomes of it', async () => {
  const begun = await told(
    ['run', { status: 'queued' }],
    ['run', { status: 'running' }],
    ['run', { status: 'failed' }],
  );
  expect(begun).toEqual([{ kind: 'lifecycle', place: null, at: 'now', more: { payload: { state: 'running' } } }]);
});

test('a change of agents is told when it is one', async () => {
  const running = (node: string) => ['step', { node_id: node, status: 'running' }] as const;
  const changes = await told(running('a'), running('a'), running('b'), running('a.guard'), running('a'));
  expect(changes.map(({ kind, more }) => `${kind} ${JSON.stringify(more?.['new_agent'])}`)).toEqual([
    'agent_updated_stream_event "ana"',
    'agent_updated_stream_event "ben"',
    'agent_updated_stream_event "ana"',
  ]);
});

test('what a step does inside is told with its names; of a handover also who takes over', async () => {
  const of = { node_id: 'b' };
  const [start, tool, handoff, change] = await told(
    ['lifecycle', { ...of, event: 'agent_start', agent: 'ben' }],
    ['lifecycle', { ...of, event: 'tool_start', tool: 'look', tool_call_id: 'c1' }],
    ['lifecycle', { ...of, event: 'handoff', agent: 'ben', target: 'cleo' }],
  );
  expect(start).toMatchObject({ kind: 'lifecycle', place: { parallel_group: 'fan', branch_index: 1 } });
  expect(start?.more).toEqual({ event: 'agent_start', agent: 'ben' });
  expect(tool?.more).toEqual({ event: 'tool_start', tool_name: 'look', tool_call_id: 'c1' });
  expect(handoff?.more).toEqual({ event: 'handoff', agent: 'ben', new_agent: 'cleo' });
  expect(change).toMatchObject({ kind: 'agent_updated_stream_event', more: { new_agent: 'cleo' } });
});

test('a step that is done says what it came to and what it cost', async () => {
  const done = await told(
    ['step', { key: 'a/1', node_id: 'a', status: 'completed' }],
    ['step', { key: 'b/1', node_id: 'b', status: 'failed' }],
  );
  expect(done).toMatchObject([
    { kind: 'run_item_stream_event', more: { response_text: '{"n":1}', structured_output: { n: 1 } } },
    { kind: 'usage', more: { payload: { input_tokens: 3, output_tokens: 4, total_tokens: 7, usd: 0.5 } } },
  ]);
});

test('words of a second attempt say that they are', async () => {
  const words = await told(
    ['token', { node_id: 'a', text: 'one', attempt: 1 }],
    ['token', { node_id: 'a', text: 'two', attempt: 2 }],
  );
  expect(words.map(({ more }) => more)).toEqual([
    { raw_type: 'response.output_text.delta', text_delta: 'one' },
    { raw_type: 'response.output_text.delta', text_delta: 'two', payload: { attempt: 2 } },
  ]);
  expect(await told(['wait', { node_id: 'a' }], ['vote', {}], ['log', { node_id: 'a' }])).toEqual([]);
});
