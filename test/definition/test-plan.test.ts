import { describe, expect, test } from '@jest/globals';
import { graphAlone } from '../../workflows/definition/alone.js';
import { compileGraph } from '../../workflows/definition/graph-plan.js';
import { GraphDocument } from '../../workflows/definition/graph.js';
import { testPlan } from '../../workflows/definition/test-plan.js';

const context = { id: null, tools: new Set<string>(), definitions: new Map(), urlProblem: () => null };
const graph = (nodes: readonly object[], edges: readonly object[] = []): GraphDocument =>
  GraphDocument.parse({ engine: 'automation', nodes, edges });

function planOf(document: GraphDocument, nodeId: string) {
  const alone = graphAlone(document, nodeId);
  if (alone === null) return null;
  const { plan, problems } = compileGraph(alone, context);
  expect(problems.filter(({ severity }) => severity === 'blocker')).toEqual([]);
  return plan;
}

const setting = { input: { n: 1 }, vars: {}, steps: {} };

describe('a node alone', () => {
  test.each([
    ['a trigger', { id: 'x', type: 'trigger' }],
    [
      'a call',
      { id: 'x', type: 'http', config: { url: 'https://example.com/{{ steps.other.id }}' }, on_error: 'route' },
    ],
    ['a body node', { id: 'x', type: 'set', config: { values: { a: 1 } }, within: 'each' }],
    ['a router', { id: 'x', type: 'router' }],
    ['an agent', { id: 'x', type: 'instruction_agent', config: { instructions: 'Help.' } }],
    ['an end', { id: 'x', type: 'end' }],
  ])('%s compiles, whatever the rest of the graph lacks', (_, node) => {
    const rest = [
      { id: 'other', type: 'no_such_type' },
      { id: 'each', type: 'map', config: {} },
      { id: 'root_agent', type: 'instruction_agent', config: { tools: ['unknown'] } },
    ];
    const plan = planOf(graph([...rest, node], [{ source: 'other', target: 'x' }]), 'x');
    expect(plan?.nodes['x']).toBeDefined();
  });

  test('keeps its body', () => {
    const nodes = [
      { id: 'start', type: 'start' },
      { id: 'each', type: 'map', config: { items: 'input.list', entry: 'one' } },
      { id: 'one', type: 'set', within: 'each', config: { values: { a: '{{ item }}' } } },
      { id: 'two', type: 'code', within: 'each', config: { source: 'return 1' } },
    ];
    const whole = graph(nodes, [
      { source: 'start', target: 'each' },
      { source: 'one', target: 'two' },
    ]);
    const plan = planOf(whole, 'each');
    const made = plan === null ? null : testPlan(plan, 'each', setting);
    expect(Object.keys(made?.plan.nodes ?? {}).toSorted()).toEqual(['each', 'one', 'test.input', 'two']);
    expect(made?.plan.edges.map(({ from, to }) => `${from}>${to}`)).toEqual(['test.input>each', 'one>two']);
  });

  test('is none when there is no such node', () => {
    expect(graphAlone(graph([{ id: 'a', type: 'end' }]), 'b')).toBeNull();
  });
});

test('the setting comes in by nodes whose results are pinned', () => {
  const document = graph([
    { id: 'look', type: 'tool', config: {} },
    {
      id: 'send',
      type: 'set',
      undo: 'look',
      mutex: 'm',
      config: { values: { a: '{{ steps.look.id }}{{ vars.who }}' } },
    },
  ]);
  const plan = planOf(document, 'send');
  const made =
    plan === null ? null : testPlan(plan, 'send', { input: 7, vars: { who: 'ana' }, steps: { look: { id: 3 } } });
  expect(made?.pins).toEqual({ 'test.vars.who': 'ana', look: { id: 3 }, 'test.input': 7 });
  expect(made?.plan).toMatchObject({
    entry: 'test.vars.who',
    nodes: { 'test.vars.who': { kind: 'pass', saveAs: 'who' }, look: { kind: 'pass' }, send: { kind: 'set' } },
  });
  expect(made?.plan.nodes['send']).not.toHaveProperty('undo');
  expect(made?.plan.edges.map(({ from, to }) => `${from}>${to}`)).toEqual([
    'test.vars.who>look',
    'look>test.input',
    'test.input>send',
  ]);
});
