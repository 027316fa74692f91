import { describe, expect, test } from '@jest/globals';
import type { DagDocument } from '../../workflows/definition/agents/dag-document.js';
import type { NamedAgent } from '../../workflows/definition/agents/named-agent.js';
import { dialects } from '../../workflows/definition/dialects.js';
import { actionTool, compileDagWith, dag, known, named } from '../support/dags.js';

const line = dag(['a!', 'b.'], [['a', 'b']]);

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
  test.each(rows)('%s %#', (...[code, document, pointer, nodeId, sentence]) => {
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
    expect(plan?.nodes['a']).toMatchObject({ config: { handoffs: [{ node: 'b1' }] } });
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
