import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { DagDocument } from '../../workflows/definition/agents/dag-document.js';
import { dagAlone } from '../../workflows/definition/agents/dag-plan.js';
import type { NamedAgent } from '../../workflows/definition/agents/named-agent.js';
import { dialects } from '../../workflows/definition/dialects.js';
import type { NodeOf, Plan } from '../../workflows/definition/plan.js';
import { actionTool, compileDagWith, dag, dagPlan, greeter, known, named } from '../support/dags.js';
import { nodeIn, waysFrom } from '../support/graphs.js';

const line = dag(['a!', 'b.'], [['a', 'b']]);

const turnOf = (plan: Plan, id: string): NodeOf<'agent_turn'> => {
  const node = nodeIn(plan, id);
  if (node.kind !== 'agent_turn') throw new Error(`${id} is a ${node.kind}`);
  return node;
};

const listenOf = (plan: Plan, id: string): NodeOf<'listen'> => {
  const node = nodeIn(plan, `${id}.listen`);
  if (node.kind !== 'listen') throw new Error(`${id} is a ${node.kind}`);
  return node;
};

/** `[code, document, pointer, node id, sentence]`. */
type Row = readonly [string, DagDocument, string, string | undefined, RegExp];

const rows: readonly Row[] = [
  ['no_entry', dag(['a.']), '/nodes', undefined, /Set is_entry on one node/],
  ['no_exit', dag(['a!']), '/nodes', undefined, /Set is_exit/],
  ['several_entries', dag(['a!', 'b!.'], [['a', 'b']]), '/nodes/1/is_entry', 'b', /or on "a"/],
  ['duplicate_id', dag(['a!.', { id: 'a', agent_name: 'b' }]), '/nodes/1/id', 'a', /called "a"/],
  [
    'reserved_id',
    dag([{ id: 'call', agent_name: 'a', is_entry: true, is_exit: true }]),
    '/nodes/0/id',
    'call',
    /name of the call/,
  ],
  ['unknown_node', dag(['a!.'], [['a', 'z']]), '/connections/0/target_id', undefined, /no "z"/],
  ['unknown_node', dag(['a!.'], [['z', 'a']]), '/connections/0/source_id', undefined, /no "z"/],
  [
    'double_connection',
    dag(
      ['a!', 'b.'],
      [
        ['a', 'b'],
        ['a', 'b'],
      ],
    ),
    '/connections/1',
    'a',
    /"a" to "b" already/,
  ],
  [
    'circle',
    dag(
      ['a!', 'b.'],
      [
        ['a', 'b'],
        ['b', 'a'],
      ],
    ),
    '/connections/1',
    'b',
    /round in a circle/,
  ],
  ['circle', dag(['a!.'], [['a', 'a']]), '/connections/0', 'a', /circle/],
  ['unreachable', dag(['a!.', 'b']), '/nodes/1', 'b', /no call ever comes here/],
  [
    'bad_condition',
    dag([{ id: 'a', agent_name: 'a', is_entry: true, is_exit: true, skip_condition: 'flags.' }]),
    '/nodes/0/skip_condition',
    'a',
    /^Correct skip_condition: /,
  ],
  [
    'bad_condition',
    dag([{ id: 'a', agent_name: 'a', is_entry: true, is_exit: true, skip_condition: 'steps.a.text' }]),
    '/nodes/0/skip_condition',
    'a',
    /conditions know flags, context, user, vars/,
  ],
];

describe('problems', () => {
  test.each(rows)('%s %#', (code, document, pointer, nodeId, sentence) => {
    const { plan, problems } = compileDagWith(document);
    expect(plan).toBeNull();
    const [problem] = problems.filter((each) => each.code === code);
    expect(problem).toMatchObject({ code, severity: 'blocker', pointer });
    expect(problem?.node_id).toBe(nodeId);
    expect(problem?.message).toMatch(sentence);
  });

  test.each<readonly [string, NamedAgent[], RegExp]>([
    ['unknown_agent', [named('b')], /no agent "a"/],
    ['inactive_agent', [named('a', {}, { isActive: false }), named('b')], /Activate the agent "a"/],
    ['unknown_tool', [named('a', { tools: ['nothing'] }), named('b')], /Create the tool "nothing"/],
    ['bad_template', [named('a', { prompt: { system: '{{ x' } }), named('b')], /prompt\.system of the agent "a"/],
    ['bad_template', [named('a', { prompt: { system: 'x', greeting: '{% if %}' } }), named('b')], /prompt\.greeting/],
    [
      'bad_condition',
      [named('a', { handoffs: [{ target_agent: 'b', conditions: ['flags. =='] }] }), named('b')],
      /handing over to "b"/,
    ],
  ])('of agents: %s %#', (code, agents, sentence) => {
    const { plan, problems } = compileDagWith(line, known(agents));
    expect(plan).toBeNull();
    expect(problems).toMatchObject([{ code, pointer: '/nodes/0/agent_name', node_id: 'a' }]);
    expect(problems[0]?.message).toMatch(sentence);
  });

  test('each is told once, and all of them', () => {
    const document = dag(
      ['a', 'b', { id: 'b', agent_name: 'c' }],
      [
        ['a', 'z'],
        ['a', 'b'],
        ['b', 'a'],
      ],
    );
    const codes = compileDagWith(document, known([named('a')])).problems.map(({ code }) => code);
    expect(codes).toEqual([
      ...['duplicate_id', 'no_entry', 'no_exit', 'unknown_node', 'circle', 'unknown_agent', 'unknown_agent'],
    ]);
  });

  test('a tool that hands over to nobody connected is a warning', () => {
    const action = { type: 'handoff', target: 'stranger' };
    const tool = actionTool('transfer', { actions: [{ type: 'condition', if: 'flags.x', then: [action] }] });
    const context = known([named('a', { tools: ['transfer'] }), named('b')], [tool]);
    const { plan, problems } = compileDagWith(line, context);
    expect(plan).not.toBeNull();
    expect(problems).toMatchObject([{ code: 'handoff_not_connected', severity: 'warning', node_id: 'a' }]);
  });

  test('two ways to nodes of one agent are a warning, and the first is the handoff', () => {
    const document = dag(
      ['a!', { id: 'b1', agent_name: 'b', is_exit: true }, { id: 'b2', agent_name: 'b', is_exit: true }],
      [
        ['a', 'b1'],
        ['a', 'b2'],
      ],
    );
    const { plan, problems } = compileDagWith(document);
    expect(problems).toMatchObject([
      { code: 'same_agent_twice', severity: 'warning', pointer: '/connections/1/target_id' },
    ]);
    if (plan === null) throw new Error('there is a plan');
    expect(turnOf(plan, 'a').config.handoffs.map(({ node }) => node)).toEqual(['b1']);
  });

  test('what is no document at all is told by its fields', () => {
    const parsed = dialects.agent_dag.parse({
      nodes: [
        { id: 'a b', agent_name: 'A' },
        { agent_name: 'a', is_entry: 'yes' },
      ],
      edges: [],
    });
    expect('problems' in parsed ? parsed.problems.map(({ pointer }) => pointer) : []).toEqual([
      ...['/nodes/0/id', '/nodes/0/agent_name', '/nodes/1/id', '/nodes/1/is_entry', ''],
    ]);
  });
});

describe('the plan', () => {
  test('listens for a hangup beside the first agent, and each agent stays, hands over or ends', () => {
    const plan = dagPlan(line, [named('a'), greeter('b')]);
    expect(plan.entry).toBe('call');
    expect(waysFrom(plan, 'call').map(([to]) => to)).toEqual(['hangup', 'a.listen']);
    expect(nodeIn(plan, 'hangup')).toMatchObject({ kind: 'wait_event', config: { name: 'call.hangup' } });
    expect(nodeIn(plan, 'hung_up')).toMatchObject({ kind: 'end', config: { terminate: true } });
    expect(waysFrom(plan, 'a').map(([to]) => to)).toEqual(['b.listen', 'call.completed', 'a.listen']);
    expect(waysFrom(plan, 'b').map(([to]) => to)).toEqual(['call.completed', 'b.listen']);
    expect(nodeIn(plan, 'b.listen')).toMatchObject({ label: 'b', dialectKind: 'listen' });
    expect(turnOf(plan, 'b')).toMatchObject({ label: 'b', dialectKind: 'agent_turn', says: true });
  });

  test('an agent without a greeting answers what was said to the one before it', () => {
    expect(waysFrom(dagPlan(line), 'a').map(([to]) => to)).toEqual(['b', 'call.completed', 'a.listen']);
  });

  test('carries what the agent says of itself', () => {
    const config = {
      prompt: {
        system: 'Be kind, {{ company }}.',
        variables: [{ name: 'company', default: 'ACME' }, { name: 'none' }],
      },
      llm: { model: 'small', temperature: 0.2 },
      session: { auto_disconnect_timeout: 30 },
      tools: ['note'],
    };
    const tool = actionTool('note', { actions: [{ type: 'flag.set', flag: 'noted' }] });
    const plan = dagPlan(dag(['a!', 'b.'], [['a', 'b']], { shared_context: ['name'] }), [named('a', config)], [tool]);
    expect(turnOf(plan, 'a').config).toMatchObject({
      ...{ agent: 'a', system: 'Be kind, {{ company }}.', variables: { company: 'ACME', none: null } },
      ...{ model: 'small', temperature: 0.2, memory: true, shared: ['name'], answers: 'turn', tools: [tool] },
    });
    expect(listenOf(plan, 'a').config).toEqual({ timeout_seconds: 30 });
    expect(waysFrom(plan, 'a.listen')).toEqual([
      ['a', 'out', 'always'],
      ['call.timeout', 'timeout', 'always'],
    ]);
  });

  test('an exit may end the call, and so may a node that leads nowhere', () => {
    const plan = dagPlan(
      dag(
        ['a!.', 'b', 'c.'],
        [
          ['a', 'b'],
          ['a', 'c'],
        ],
      ),
    );
    expect(['a', 'b', 'c'].map((id) => turnOf(plan, id).config.may_end)).toEqual([true, true, true]);
    expect(turnOf(dagPlan(line), 'a').config.may_end).toBeUndefined();
  });

  test('handoffs have the conditions of the agent and what is passed', () => {
    const document = dag(
      ['a!', 'b.', 'c.'],
      [
        ['a', 'b', ['name', 'order']],
        ['a', 'c'],
      ],
    );
    const handoffs = [
      { target_agent: 'b', conditions: ['flags.verified', '{{context.order}}', 'user.age > 17'] },
      { target_agent: 'stranger', conditions: ['flags.x'] },
    ];
    const b = named('b', {}, { displayName: 'Billing', description: 'Answers about invoices.' });
    const plan = dagPlan(document, [named('a', { handoffs }), b]);
    expect(turnOf(plan, 'a').config.handoffs).toEqual([
      {
        ...{ agent: 'b', node: 'b', description: 'Hands the call over to Billing: Answers about invoices.' },
        conditions: [
          'truthy(flags.?verified.orValue(null))',
          'truthy(context.?order.orValue(null))',
          'user.?age.hasValue() && user.age > 17',
        ],
        passes: [{ node: 'b', keys: ['name', 'order'] }],
      },
      { agent: 'c', node: 'c', description: 'Hands the call over to c.', conditions: [], passes: [] },
    ]);
  });

  test('what is passed to a node that may be skipped goes along to those behind it', () => {
    const b = { id: 'b', agent_name: 'b', skip_condition: 'flags.known' };
    const document = dag(
      ['a!', b, 'c.', 'd.'],
      [
        ['a', 'b', ['x', 'y']],
        ['b', 'c', ['y', 'z']],
        ['b', 'd'],
      ],
    );
    expect(turnOf(dagPlan(document), 'a').config.handoffs[0]?.passes).toEqual([
      { node: 'b', keys: ['x', 'y'] },
      { node: 'c', keys: ['y'] },
    ]);
  });

  test('a skipped node gives way to the first behind it that is not', () => {
    const skipped = (id: string) => ({ id, agent_name: id, skip_condition: `flags.no_${id}` });
    const document = dag(
      ['a!', skipped('b'), skipped('c'), 'd.'],
      [
        ['a', 'b'],
        ['b', 'c'],
        ['b', 'd'],
        ['c', 'd'],
      ],
    );
    const plan = dagPlan(document, [greeter('d')]);
    expect(waysFrom(plan, 'a').map(([to]) => to)).toContain('b.skip');
    expect(waysFrom(plan, 'b.skip').map(([to]) => to)).toEqual([
      'b.listen',
      'b',
      'c.listen',
      'c',
      'd.listen',
      'c.skip',
    ]);
    expect(waysFrom(plan, 'c.skip').map(([to]) => to)).toEqual(['c.listen', 'c', 'd.listen']);
  });

  test('one node is compiled alone for a test of it, whatever is wrong elsewhere', () => {
    const document = dag(
      ['a', 'b', 'c'],
      [
        ['a', 'b'],
        ['a', 'c'],
        ['b', 'a'],
      ],
    );
    const context = known([named('a'), named('b')]);
    const alone = dagAlone(document, { nodeId: 'a', context });
    expect(alone).toMatchObject({ nodes: [{ id: 'a' }, { id: 'b' }], connections: [{ source_id: 'a' }] });
    expect(alone === null ? null : compileDagWith(alone, context).plan).not.toBeNull();
    expect(dagAlone(document, { nodeId: 'z', context })).toBeNull();
  });
});

/** Nodes in a row; each is led to by one before it, and by some more. */
const randomDags: fc.Arbitrary<DagDocument> = fc
  .array(
    fc.record({
      agent: fc.nat(4),
      from: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
      exit: fc.boolean(),
      skip: fc.boolean(),
    }),
    {
      minLength: 1,
      maxLength: 12,
    },
  )
  .map((drawn) =>
    dag(
      drawn.map(({ agent, exit, skip }, index) => ({
        ...{ id: `n${index}`, agent_name: `agent${agent}`, is_entry: index === 0 },
        is_exit: exit || index === drawn.length - 1,
        ...(skip ? { skip_condition: `flags.f${index}` } : {}),
      })),
      drawn.flatMap(({ from }, index) => {
        const sources = new Set(index === 0 ? [] : from.map((place) => place % index));
        return [...sources].map((source): [string, string] => [`n${source}`, `n${index}`]);
      }),
    ),
  );

test('every drawing without mistakes compiles, and each node leads where it is connected to', () => {
  const check = (document: DagDocument): void => {
    const { plan, problems } = compileDagWith(document);
    expect(problems.filter(({ severity }) => severity === 'blocker')).toEqual([]);
    if (plan === null) throw new Error('no plan');
    const skips = new Set(document.nodes.filter((node) => node.skip_condition !== undefined).map(({ id }) => id));
    for (const { from, to } of plan.edges) expect([plan.nodes[from], plan.nodes[to]]).not.toContain(undefined);
    for (const { id } of document.nodes) {
      const targets = document.connections.filter((way) => way.source_id === id).map((way) => way.target_id);
      const heads = targets.map((target) => (skips.has(target) ? `${target}.skip` : target));
      expect(waysFrom(plan, id).map(([to]) => to)).toEqual([...heads, 'call.completed', `${id}.listen`]);
    }
  };
  fc.assert(fc.property(randomDags, check), { seed: 20_261_126, numRuns: 200 });
});
