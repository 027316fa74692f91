import { describe, expect, test } from '@jest/globals';
import type { Plan } from '../../workflows/definition/plan.js';
import { inline, type Json } from '../../workflows/definition/values.js';
import { rehearse } from '../../workflows/engine/rehearse.js';
import type { RecordedStep, Recording } from '../../workflows/engine/rehearsal.js';
import { automation, planOf, studio } from '../support/graphs.js';

interface Written {
  readonly output?: Json;
  readonly error?: string;
  readonly status?: RecordedStep['status'];
  readonly port?: RecordedStep['port'];
}

/** A run as it was recorded: its visits by key, in the order in which they ended. */
const recording = (
  plan: Plan,
  steps: Readonly<Record<string, Written>>,
  more: Partial<Recording> & { readonly given?: Json } = {},
): Recording => ({
  runId: 'run_1',
  input: inline(more.given ?? { kind: 'refund', n: 3 }),
  isConversation: false,
  status: 'completed',
  plan,
  ...more,
  steps: Object.entries(steps).map(([key, { output = null, error, status, port = 'out' }]) => ({
    key,
    nodeId: key.split('/').at(-2) ?? '',
    status: status ?? (error === undefined ? 'completed' : 'failed'),
    output: inline(output),
    error: error === undefined ? null : { type: error, message: error },
    port,
    vars: null,
  })),
});

const call = (id: string, more: object = {}): object => ({
  id,
  type: 'http',
  config: { url: 'https://example.com' },
  ...more,
});
const start = { id: 'start', type: 'start' };
const choose = { id: 'choose', type: 'router' };
const way = (source: string, target: string, expr?: string): object =>
  expr === undefined ? { source, target } : { source, target, condition: { expr } };

const routed = (condition: string): Plan =>
  planOf(
    automation(
      [start, choose, call('pay'), call('answer')],
      [way('start', 'choose'), way('choose', 'pay', condition), way('choose', 'answer', 'default')],
    ),
  );

describe('a candidate takes the same path', () => {
  test('when it is the plan of the run', () => {
    const plan = routed('input.kind == "refund"');
    expect(rehearse(plan, recording(plan, { 'start/1': {}, 'choose/1': {}, 'pay/1': { output: 1 } }))).toBeNull();
  });

  test('when it only adds what needs nobody’s answer, and leaves such out', () => {
    const before = planOf(automation([start, call('pay')], [way('start', 'pay')]));
    const note = { id: 'note', type: 'set', config: { values: { seen: { $expr: 'input.status' } } } };
    const after = planOf(
      automation([call('pay'), note, { id: 'end', type: 'end' }], [way('pay', 'note'), way('note', 'end')]),
    );
    expect(rehearse(after, recording(before, { 'start/1': {}, 'pay/1': { output: { status: 200 } } }))).toBeNull();
  });

  test('through maps, loops, joins and failures that are routed', () => {
    const plan = planOf(
      automation(
        [
          start,
          { id: 'each', type: 'map', config: { items: 'input.items', entry: 'one' } },
          call('one', { within: 'each' }),
          { id: 'both', type: 'parallel' },
          call('left', { on_error: 'route' }),
          call('right'),
          call('rescue'),
          { id: 'join', type: 'join' },
          { id: 'again', type: 'loop', config: { entry: 'round', while: 'index < 2' } },
          call('round', { within: 'again' }),
        ],
        [
          way('start', 'each'),
          way('each', 'both'),
          way('both', 'left'),
          way('both', 'right'),
          { source: 'left', target: 'rescue', port: 'error' },
          way('left', 'join'),
          way('rescue', 'join'),
          way('right', 'join'),
          way('join', 'again'),
        ],
      ),
    );
    const steps = {
      'start/1': {},
      'each/1/0/one/1': { output: 'a' },
      'each/1/1/one/1': { output: 'b' },
      'each/1': {},
      'both/1': {},
      'right/1': { output: 'r' },
      'left/1': { error: 'http_status' },
      'rescue/1': { output: 'saved' },
      'join/1': {},
      'again/1/0/round/1': {},
      'again/1/1/round/1': {},
      'again/1': {},
    };
    expect(rehearse(plan, recording(plan, steps, { given: { items: [1, 2] } }))).toBeNull();
    const missing = rehearse(plan, recording(plan, steps, { given: { items: [1, 2, 3] } }));
    expect(missing).toMatchObject({ kind: 'other_path', candidate: 'one' });
  });

  test('of a conversation, by what was said', () => {
    const agent = { id: 'root_agent', type: 'instruction_agent', config: { instructions: 'Help.' } };
    const plan = planOf(studio([agent, { id: 'bye', type: 'end' }], [way('root_agent', 'bye', 'contains:bye')]));
    const steps = {
      'root_agent.listen/1': { output: { text: 'hello' } },
      'root_agent/1': { output: { text: 'hi' } },
      'root_agent.listen/2': { output: { text: 'bye' } },
      'root_agent/2': { output: { text: 'see you' } },
      'bye/1': {},
    };
    expect(rehearse(plan, recording(plan, steps, { isConversation: true }))).toBeNull();
    const impatient = planOf(studio([agent, { id: 'bye', type: 'end' }], [way('root_agent', 'bye', 'contains:hello')]));
    expect(rehearse(impatient, recording(plan, steps, { isConversation: true }))).toMatchObject({
      at: 'root_agent.listen',
      kind: 'other_path',
      recorded: 'root_agent.listen',
      candidate: null,
    });
  });

  test('as far as a cancelled run came', () => {
    const plan = planOf(automation([start, call('pay'), call('tell')], [way('start', 'pay'), way('pay', 'tell')]));
    const steps = { 'start/1': {}, 'pay/1': { status: 'cancelled' } } as const;
    expect(rehearse(plan, recording(plan, steps, { status: 'cancelled' }))).toBeNull();
  });
});

describe('a candidate takes another path', () => {
  test('where it decides otherwise', () => {
    const plan = routed('input.kind == "refund"');
    const steps = { 'start/1': {}, 'choose/1': {}, 'pay/1': {} };
    expect(rehearse(routed('input.n > 5'), recording(plan, steps))).toEqual({
      at: 'choose',
      kind: 'other_path',
      recorded: 'pay',
      candidate: 'answer',
      message: 'After "choose" the recorded run went to "pay"; the candidate goes to "answer".',
    });
  });

  test('where it asks somebody new', () => {
    const before = planOf(automation([start, call('pay')], [way('start', 'pay')]));
    const ask = { id: 'ask', type: 'approval', config: { prompt: 'Pay?' } };
    const after = planOf(automation([start, ask, call('pay')], [way('start', 'ask'), way('ask', 'pay')]));
    expect(rehearse(after, recording(before, { 'start/1': {}, 'pay/1': {} }))).toMatchObject({
      at: 'start',
      kind: 'not_recorded',
      recorded: 'pay',
      candidate: 'ask',
    });
  });

  test('where it reads what the run did not have', () => {
    const graph = (url: string): Plan =>
      planOf(
        automation([start, call('pay'), call('tell', { config: { url } })], [way('start', 'tell'), way('tell', 'pay')]),
      );
    const steps = { 'start/1': {}, 'tell/1': {}, 'pay/1': {} };
    const found = rehearse(
      graph('https://example.com/{{ steps.pay.id }}'),
      recording(graph('https://example.com'), steps),
    );
    expect(found).toMatchObject({ at: 'tell', kind: 'missing_input', message: expect.stringContaining('steps.pay') });
  });

  test('where it fails', () => {
    const graph = (expr: string): Plan =>
      planOf(
        automation(
          [start, { id: 'note', type: 'set', config: { values: { a: { $expr: expr } } } }, call('pay')],
          [way('start', 'note'), way('note', 'pay')],
        ),
      );
    const steps = { 'start/1': {}, 'note/1': {}, 'pay/1': {} };
    expect(rehearse(graph('input.nothing.at.all'), recording(graph('input.n'), steps))).toMatchObject({
      at: 'note',
      kind: 'fails',
      recorded: null,
      candidate: 'note',
    });
  });

  test('where it leaves out what was done, or goes on where the run failed', () => {
    const both = planOf(automation([start, call('pay'), call('tell')], [way('start', 'pay'), way('pay', 'tell')]));
    const one = planOf(automation([start, call('pay')], [way('start', 'pay')]));
    const steps = { 'start/1': {}, 'pay/1': {}, 'tell/1': {} };
    expect(rehearse(one, recording(both, steps))).toMatchObject({ at: 'tell', kind: 'other_path', candidate: null });
    const forgiving = planOf(
      automation(
        [start, call('pay', { on_error: { action: 'fallback', value: 0 } }), call('tell')],
        [way('start', 'pay'), way('pay', 'tell')],
      ),
    );
    const failed = recording(both, { 'start/1': {}, 'pay/1': { error: 'http_status' } }, { status: 'failed' });
    expect(rehearse(both, failed)).toBeNull();
    expect(rehearse(forgiving, failed)).toMatchObject({
      at: 'pay',
      kind: 'other_path',
      recorded: null,
      candidate: 'tell',
    });
  });

  test('where it never comes to an end', () => {
    const before = planOf(automation([start, call('pay')], [way('start', 'pay')]));
    const circle = planOf(
      automation(
        [start, { id: 'a', type: 'branch' }, { id: 'b', type: 'branch' }],
        [way('start', 'a'), way('a', 'b'), way('b', 'a')],
      ),
    );
    expect(rehearse(circle, recording(before, { 'start/1': {}, 'pay/1': {} }))).toMatchObject({ kind: 'fails' });
  });
});
