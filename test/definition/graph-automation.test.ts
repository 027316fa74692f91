import { describe, expect, test } from '@jest/globals';
import { automation, compile, nodeIn, planOf, waysFrom } from '../support/graphs.js';

const to = (source: string, target: string, more: object = {}) => ({ source, target, ...more });
const when = (expr: string, more: object = {}) => ({ condition: { expr }, ...more });

describe('automation', () => {
  test('conditions are CEL, or the forms of the studio', () => {
    const plan = planOf(
      automation(
        [
          { id: 's', type: 'start' },
          { id: 'b', type: 'branch' },
          ...['a', 'c', 'd', 'e', 'f'].map((id) => ({ id, type: 'end' })),
        ],
        [
          to('s', 'b'),
          to('b', 'f', when('default')),
          to('b', 'a', when('vars.n > 1 && steps["s"] == input')),
          to('b', 'c', when('contains: Word ')),
          to('b', 'd', when("var.tier == 'gold'")),
          to('b', 'e', when('tier == gold')),
        ],
      ),
    );
    expect(waysFrom(plan, 'b').map(([, , condition]) => condition)).toEqual([
      { type: 'cel', expr: 'vars.n > 1 && steps["s"] == input', reads: { vars: true, steps: ['s'] } },
      { type: 'contains', text: 'Word' },
      { type: 'equals', path: 'var.tier', value: 'gold' },
      { type: 'equals', path: 'tier', value: 'gold' },
      'always',
    ]);
  });

  test('a switch compares with the labels of its edges', () => {
    const plan = planOf(
      automation(
        [
          { id: 's', type: 'switch', config: { on: 'input.kind' } },
          { id: 'a', type: 'end' },
          { id: 'b', type: 'end' },
        ],
        [to('s', 'b', { label: 'default' }), to('s', 'a', { label: 'it "is"' }), to('s', 'a', { label: '3' })],
      ),
    );
    expect(waysFrom(plan, 's')).toEqual([
      ['a', 'out', { type: 'cel', expr: 'text(input.kind) == "it \\"is\\""' }],
      ['a', 'out', { type: 'cel', expr: 'text(input.kind) == "3"' }],
      ['b', 'out', 'always'],
    ]);
  });

  test('ports: by name, by label, by kind; an error way means route', () => {
    const plan = planOf(
      automation(
        [
          { id: 'ask', type: 'human', config: { prompt: 'Sure?' } },
          { id: 'wait', type: 'wait_event', config: { name: 'paid' } },
          { id: 'get', type: 'http', config: { url: 'https://example.com' } },
          { id: 'park', type: 'script', config: { source: 'return vars.a + steps.get.b + item' }, on_error: 'park' },
          {
            id: 'fall',
            type: 'http',
            config: { url: 'https://example.com' },
            on_error: { action: 'fallback', value: { a: 1 } },
          },
          { id: 'stop', type: 'end' },
        ],
        [
          to('ask', 'wait'),
          to('ask', 'stop', { label: 'Rejected' }),
          to('ask', 'stop', { port: 'expired' }),
          to('wait', 'get'),
          to('wait', 'stop', { label: 'timeout' }),
          to('get', 'park'),
          to('get', 'stop', { label: 'error' }),
          to('park', 'fall'),
        ],
      ),
    );
    expect(plan.entry).toBe('ask');
    expect(waysFrom(plan, 'ask').map(([target, port]) => [target, port])).toEqual([
      ['wait', 'approved'],
      ['stop', 'rejected'],
      ['stop', 'expired'],
    ]);
    expect(waysFrom(plan, 'wait').map(([target, port]) => [target, port])).toEqual([
      ['get', 'out'],
      ['stop', 'timeout'],
    ]);
    expect(nodeIn(plan, 'ask')).toMatchObject({ kind: 'approval', dialectKind: 'human', config: { quorum: 1 } });
    expect(nodeIn(plan, 'get').policy.onError).toEqual({ action: 'route' });
    expect(nodeIn(plan, 'park')).toMatchObject({
      kind: 'code',
      policy: { onError: { action: 'park' } },
      reads: { vars: true, steps: ['get'], item: true },
    });
    expect(nodeIn(plan, 'fall').policy.onError).toEqual({ action: 'fallback', value: { a: 1 } });
  });

  test('splits, joins, maps, loops, undo, mutex', () => {
    const plan = planOf(
      automation(
        [
          { id: 's', type: 'parallel' },
          { id: 'a', type: 'set', config: { values: { a: 1 } }, mutex: 'one' },
          { id: 'b', type: 'wait', config: { seconds: 5 } },
          { id: 'j', type: 'join', config: { need: 'any', cancel_rest: true } },
          { id: 'm', type: 'map', config: { items: 'input', entry: 'x' } },
          { id: 'x', type: 'loop', config: { while: 'index < 3', entry: 'y' }, within: 'm' },
          { id: 'y', type: 'tool', config: { tool_name: 'lookup' }, within: 'x', undo: 'z' },
          { id: 'z', type: 'tool', config: { tool_name: 'lookup' } },
          { id: 'c', type: 'compensate', config: { nodes: ['y'] } },
          { id: 'k', type: 'cancel', config: { nodes: ['b'] } },
        ],
        [to('s', 'a'), to('s', 'b'), to('a', 'j'), to('b', 'j'), to('j', 'm'), to('m', 'c'), to('c', 'k')],
      ),
    );
    expect(nodeIn(plan, 's')).toMatchObject({ kind: 'pass', exits: 'all' });
    expect(nodeIn(plan, 'j')).toMatchObject({ kind: 'join', config: { need: 1, cancelRest: true } });
    expect(nodeIn(plan, 'a').mutex).toBe('one');
    expect(nodeIn(plan, 'b')).toMatchObject({ kind: 'delay', config: { seconds: 5 } });
    expect(nodeIn(plan, 'y')).toMatchObject({ within: 'x', undo: 'z' });
    expect(nodeIn(plan, 'x')).toMatchObject({ within: 'm', reads: { item: true } });
  });

  test('policies come from the node, by kind', () => {
    const plan = planOf(
      automation(
        [
          {
            id: 'h',
            type: 'http',
            config: { url: 'https://example.com' },
            timeout: 2.5,
            retry: { max_attempts: 7, initial_seconds: 0.5, max_seconds: 9, factor: 3, non_retryable: ['http_400'] },
          },
          { id: 'w', type: 'wait_event', config: { name: 'x' }, timeout: 60 },
          { id: 'l', type: 'llm' },
        ],
        [to('h', 'w'), to('w', 'l')],
      ),
    );
    expect(nodeIn(plan, 'h').policy).toEqual({
      maxAttempts: 7,
      backoffMs: 500,
      backoffFactor: 3,
      maxBackoffMs: 9_000,
      timeoutMs: 2_500,
      nonRetryable: ['http_400'],
      onError: { action: 'fail' },
    });
    expect(nodeIn(plan, 'w').policy).toMatchObject({ deadlineMs: 60_000 });
    expect(nodeIn(plan, 'l').policy).toMatchObject({ timeoutMs: 120_000, maxAttempts: 3 });
  });

  test('a step named only at run time keeps every one; schemas travel along', () => {
    const plan = planOf(
      automation(
        [
          { id: 'a', type: 'start', config: { input_schema: { type: 'object' } } },
          { id: 'b', type: 'set', config: { values: { x: { $expr: 'steps[vars.which].y' } } } },
        ],
        [to('a', 'b')],
        { output_schema: { type: 'string' } },
      ),
    );
    expect(nodeIn(plan, 'b').reads).toEqual({ vars: true, steps: ['a', 'b'] });
    expect(plan).toMatchObject({ inputSchema: { type: 'object' }, outputSchema: { type: 'string' } });
  });

  test('a workflow may call itself as a run of its own', () => {
    const found = compile(automation([{ id: 'a', type: 'subflow', config: { definition: 'wf_self' } }]));
    expect(found.plan).not.toBeNull();
    expect(found.problems).toMatchObject([{ code: 'recursion', severity: 'warning' }]);
  });
});
