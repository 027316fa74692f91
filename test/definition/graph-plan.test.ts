import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compileGraph } from '../../workflows/definition/graph-plan.js';
import { GraphDocument } from '../../workflows/definition/graph.js';
import { automation, nodeIn, nothingKnown, planOf, studio, waysFrom } from '../support/graphs.js';

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
    expect(plan.entry).toBe('in.listen');
    expect(waysFrom(plan, 'in.listen')).toEqual([['in', 'out', 'always']]);
    expect(nodeIn(plan, 'bound')).toMatchObject({
      kind: 'subflow',
      config: { definition: 'agt_1', version: 'ver_9', wait: true },
    });
    expect(nodeIn(plan, 'same').config).toMatchObject({ version: 'ver_2' });
    expect(nodeIn(plan, 'inline')).toMatchObject({ kind: 'instruction_agent', says: true });
    expect(nodeIn(plan, 'look')).toMatchObject({ kind: 'tool', saveAs: 'found', reads: { vars: true } });
    expect(nodeIn(plan, 'know')).toMatchObject({ says: true, reads: { message: true } });
    expect(waysFrom(plan, 'know')).toEqual([['inline.listen', 'out', 'always']]);
  });

  test('wherever it begins its user speaks first, and is greeted by the agent that comes', () => {
    const plan = planOf(
      studio(
        [
          { id: 'in', type: 'trigger' },
          { id: 'route', type: 'router' },
          agent('sales', { greeting: 'Welcome.' }),
          agent('help', { greeting: 'Hello.' }),
        ],
        [to('in', 'route'), to('route', 'help', when('contains:help')), to('route', 'sales', when('default'))],
      ),
    );
    expect(nodeIn(plan, 'in.listen').config).toEqual({ greeting: 'Hello.' });
    expect(nodeIn(plan, 'sales.listen').config).toEqual({ greeting: 'Welcome.' });
    const bound = studio([{ id: 'only', type: 'flow-agent', config: { agent_id: 'agt_1' } }]);
    const definitions = new Map([['agt_1', { kind: 'agent', published: true, versionId: 'ver_9' }]]);
    expect(planOf(bound, { definitions }).entry).toBe('only.listen');
    expect(waysFrom(planOf(bound, { definitions }), 'only')).toEqual([['only.listen', 'out', 'always']]);
  });

  test('a nested workflow goes on with what was said to the one around it', () => {
    const nested = (inner: ReturnType<typeof planOf>) =>
      planOf(
        studio(
          [agent('root_agent'), { id: 'sub', type: 'workflow', config: { workflow_id: 'wf_2' } }],
          [to('root_agent', 'sub')],
        ),
        {
          definitions: new Map([['wf_2', { kind: 'workflow', published: true, versionId: 'v', plan: inner }]]),
        },
      );
    const talking = nested(planOf(studio([agent('root_agent')])));
    expect(nodeIn(talking, 'sub').config).toMatchObject({ entry: 'sub.root_agent' });
    expect(waysFrom(talking, 'sub.root_agent')).toEqual([['sub.root_agent.listen', 'out', 'always']]);
    const passing = nested(planOf(studio([{ id: 'in', type: 'trigger' }])));
    expect(nodeIn(passing, 'sub').config).toMatchObject({ entry: 'sub.in' });
    expect(passing.nodes).not.toHaveProperty(['sub.in.listen']);
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
