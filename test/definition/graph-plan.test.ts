import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compileGraph } from '../../workflows/definition/graph-plan.js';
import { GraphDocument } from '../../workflows/definition/graph.js';
import { automation, compile, nodeIn, nothingKnown, planOf, studio, waysFrom } from '../support/graphs.js';

const agent = (id: string, more: object = {}) => ({
  id,
  type: 'instruction_agent',
  config: { instructions: 'Help.', ...more },
});
const to = (source: string, target: string, more: object = {}) => ({ source, target, ...more });
const when = (expr: string, more: object = {}) => ({ condition: { expr }, ...more });

describe('studio', () => {
  test('a conversation enters by the wait in front of its agent', () => {
    const plan = planOf(studio([agent('root_agent', { greeting: 'Hello {{ vars.name }}', tools: ['lookup'] })]));
    expect(plan.entry).toBe('root_agent.listen');
    expect(nodeIn(plan, 'root_agent')).toMatchObject({
      kind: 'instruction_agent',
      says: true,
      dialectKind: 'instruction_agent',
    });
    expect(nodeIn(plan, 'root_agent.listen')).toMatchObject({
      kind: 'listen',
      config: { greeting: 'Hello {{ vars.name }}' },
      reads: { vars: true },
    });
    expect(waysFrom(plan, 'root_agent.listen')).toEqual([['root_agent', 'out', 'always']]);
    expect(waysFrom(plan, 'root_agent')).toEqual([['root_agent.listen', 'out', 'always']]);
  });

  test('edges from elsewhere go to the agent itself; nothing that matches leads back to listening', () => {
    const plan = planOf(
      studio(
        [
          agent('root_agent'),
          { id: 'route', type: 'router' },
          agent('billing'),
          { id: 'bye', type: 'end', config: { final_message: 'Bye' } },
        ],
        [
          to('root_agent', 'route'),
          to('route', 'billing', when('contains:refund', { priority: 2 })),
          to('route', 'bye', when('done', { priority: 1 })),
          to('route', 'billing', when('var.tier == "gold"', { priority: 3, id: 'gold', label: 'Gold' })),
        ],
      ),
    );
    expect(waysFrom(plan, 'root_agent')).toEqual([['route', 'out', 'always']]);
    expect(waysFrom(plan, 'route')).toEqual([
      ['bye', 'out', { type: 'contains', text: 'done', of: 'message' }],
      ['billing', 'out', { type: 'contains', text: 'refund', of: 'message' }],
      ['billing', 'out', { type: 'equals', path: 'var.tier', value: 'gold' }],
      ['root_agent.listen', 'out', 'always'],
    ]);
    expect(plan.edges.find((edge) => edge.id === 'gold')?.label).toBe('Gold');
    expect(waysFrom(plan, 'billing')).toEqual([['billing.listen', 'out', 'always']]);
    expect(waysFrom(plan, 'bye')).toEqual([]);
  });

  test('the fallback is asked last, whatever its priority and place', () => {
    const ways = (expr: string) =>
      waysFrom(
        planOf(
          studio(
            [agent('root_agent'), { id: 'd', type: 'decision' }, agent('a'), agent('b'), agent('c')],
            [
              to('root_agent', 'd'),
              to('d', 'a', when(expr, { priority: -5 })),
              to('d', 'b', when('word')),
              to('d', 'c', when('first', { priority: -1 })),
            ],
          ),
        ),
        'd',
      ).map(([target]) => target);
    for (const expr of ['default', 'TRUE', 'else', '*', '']) expect(ways(expr)).toEqual(['c', 'b', 'a']);
  });

  test('bound agents run on their published version, tools and knowledge as nodes', () => {
    const definitions = new Map([['agt_1', { kind: 'agent', published: true, versionId: 'ver_9' }]]);
    const plan = planOf(
      studio(
        [
          { id: 'in', type: 'trigger' },
          { id: 'bound', type: 'flow-agent', config: { agent_id: 'agt_1' } },
          { id: 'same', type: 'agent', config: { definition_id: 'agt_1', version_id: 'ver_2' } },
          { id: 'inline', type: 'agent', config: { instructions: 'Be brief.' } },
          {
            id: 'look',
            type: 'tool',
            config: { tool_name: 'lookup', args: { id: '{{ vars.id }}' } },
            save_as: 'found',
          },
          { id: 'know', type: 'knowledge', config: { synthesize: true } },
        ],
        [to('in', 'bound'), to('bound', 'same'), to('same', 'inline'), to('inline', 'look'), to('look', 'know')],
      ),
      { definitions },
    );
    expect(plan.entry).toBe('in');
    expect(nodeIn(plan, 'bound')).toMatchObject({
      kind: 'subflow',
      config: { definition: 'agt_1', version: 'ver_9', wait: true },
    });
    expect(nodeIn(plan, 'same').config).toMatchObject({ version: 'ver_2' });
    expect(nodeIn(plan, 'inline')).toMatchObject({ kind: 'instruction_agent', says: true });
    expect(nodeIn(plan, 'look')).toMatchObject({ kind: 'tool', saveAs: 'found', reads: { vars: true } });
    expect(nodeIn(plan, 'know')).toMatchObject({ says: true, reads: { message: true } });
    expect(waysFrom(plan, 'know')).toEqual([]);
  });

  test('a nested workflow is the body of a loop of one round', () => {
    const inner = planOf(
      automation(
        [
          { id: 'get', type: 'http', config: { url: 'https://example.com/{{ input }}' }, undo: 'drop' },
          { id: 'drop', type: 'http', config: { url: 'https://example.com', method: 'DELETE' } },
          { id: 'each', type: 'map', config: { items: 'steps.get.body.list', entry: 'one' } },
          { id: 'one', type: 'set', config: { values: { last: '{{ item }}' } }, within: 'each' },
          { id: 'stop', type: 'end', config: { terminate: true } },
        ],
        [to('get', 'each'), to('each', 'stop', when('steps.get.status == 200'))],
      ),
    );
    const definitions = new Map([['wf_2', { kind: 'workflow', published: true, versionId: 'v', plan: inner }]]);
    const plan = planOf(
      studio(
        [
          { id: 'in', type: 'trigger' },
          { id: 'sub', type: 'workflow', config: { workflow_id: 'wf_2' } },
        ],
        [to('in', 'sub')],
      ),
      { definitions },
    );
    expect(nodeIn(plan, 'sub')).toMatchObject({
      kind: 'loop',
      dialectKind: 'workflow',
      config: { entry: 'sub.get', max_iterations: 1 },
    });
    expect(nodeIn(plan, 'sub.get')).toMatchObject({ id: 'sub.get', within: 'sub', undo: 'sub.drop' });
    expect(nodeIn(plan, 'sub.each')).toMatchObject({
      within: 'sub',
      config: { entry: 'sub.one' },
      reads: { steps: ['sub.get'], prefix: 'sub.' },
    });
    expect(nodeIn(plan, 'sub.one').within).toBe('sub.each');
    expect(nodeIn(plan, 'sub.stop').config).toMatchObject({ terminate: false });
    expect(waysFrom(plan, 'sub.each')).toEqual([
      [
        'sub.stop',
        'out',
        { type: 'cel', expr: 'steps.get.status == 200', reads: { steps: ['sub.get'], prefix: 'sub.' } },
      ],
    ]);
  });
});

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

test('any graph compiles or says why, in sentences that point into it', () => {
  const id = fc.constantFrom('a', 'b', 'c', 'root_agent');
  const type = fc.constantFrom(
    'instruction_agent',
    'router',
    'end',
    'map',
    'join',
    'set',
    'http',
    'parallel',
    'human',
    'nonsense',
    'workflow',
    'trigger',
  );
  const config = fc.constantFrom(
    {},
    { instructions: 'x' },
    { url: 'https://example.com' },
    { items: 'input', entry: 'b' },
    { values: {} },
    { x: 1 },
  );
  const node = fc.record({ id, type, config }, { requiredKeys: ['id', 'type'] });
  const within = fc.option(id, { nil: undefined });
  const expr = fc.constantFrom('default', 'contains:x', 'a == b', '1 +', 'true', '');
  const edge = fc.record({ source: id, target: id, condition: fc.record({ expr }) });
  const engine = fc.constantFrom('studio', 'automation');
  const nodes = fc.array(
    fc.tuple(node, within).map(([each, owner]) => (owner === undefined ? each : { ...each, within: owner })),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(engine, nodes, fc.array(edge, { maxLength: 8 }), (chosen, some, edges) => {
      const document = GraphDocument.parse({ engine: chosen, nodes: some, edges });
      const { plan, problems } = compileGraph(document, nothingKnown);
      expect(plan === null).toBe(problems.some((problem) => problem.severity === 'blocker'));
      for (const { message, pointer } of problems) {
        expect(message).toMatch(/^[A-Z"].*\.$|^[\w.]+: .*\.$/s);
        expect(resolves(document, pointer)).toBe(true);
      }
      if (plan === null) return;
      expect(plan.nodes[plan.entry]).toBeDefined();
      for (const way of plan.edges) expect([plan.nodes[way.from], plan.nodes[way.to]]).not.toContain(undefined);
    }),
    { numRuns: 400 },
  );
});

/** Whether a pointer leads to a place in the document, or to a key that is missing there. */
function resolves(document: object, pointer: string): boolean {
  const parts = pointer.split('/').slice(1);
  let value: unknown = document;
  for (const [at, part] of parts.entries()) {
    if (typeof value !== 'object' || value === null) return false;
    value = new Map(Object.entries(value)).get(part);
    if (value === undefined) return at >= 2;
  }
  return true;
}
