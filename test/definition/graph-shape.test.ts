import { expect, test } from '@jest/globals';
import { GraphDocument, structureProblems } from '../../workflows/definition/graph.js';
import type { GraphProblem } from '../../workflows/definition/graph-plan.js';
import { automation, codesOf, compile, planOf, studio } from '../support/graphs.js';

const root = { id: 'root_agent', type: 'instruction_agent', config: { instructions: 'Help.' } };
const http = (id: string, more: object = {}) => ({ id, type: 'http', config: { url: 'https://example.com' }, ...more });
const edge = (source: string, target: string, more: object = {}) => ({ source, target, ...more });
const start = { id: 's', type: 'start' };

/** `[code, graph, pointer, sentence]`. */
type Row = readonly [string, GraphDocument, string, RegExp];

const withCode = (type: string, config: object, more: object = {}) => automation([{ id: 'n', type, config, ...more }]);

const blockers: readonly Row[] = [
  ['no_error_way', automation([http('a', { on_error: 'route' })]), '/nodes/0/on_error', /port "error"/],
  [
    'bad_body',
    automation([{ id: 'm', type: 'map', config: { items: 'input', entry: 'x' } }]),
    '/nodes/0/config/entry',
    /within "m"/,
  ],
  ['bad_within', automation([start, http('a', { within: 's' })], [edge('s', 'a')]), '/nodes/1/within', /map or loop/],
  [
    'edge_leaves_body',
    automation(
      [{ id: 'm', type: 'map', config: { items: 'input', entry: 'x' } }, http('x', { within: 'm' }), http('y')],
      [edge('m', 'y'), edge('x', 'y', { id: 'e' })],
    ),
    '/edges/1',
    /inside one body/,
  ],
  ['bad_undo', automation([http('a', { undo: 'gone' })]), '/nodes/0/undo', /no "gone"/],
  ['bad_undo', automation([http('a', { undo: 's' }), start]), '/nodes/0/undo', /does something/],
  [
    'bad_undo',
    automation([http('a', { undo: 'b' }), http('b')], [edge('a', 'b')]),
    '/nodes/0/undo',
    /Remove the edges/,
  ],
  ['unknown_node', withCode('cancel', { nodes: ['gone'] }), '/nodes/0/config/nodes/0', /no "gone"/],
  [
    'nothing_to_undo',
    automation([http('a'), { id: 'c', type: 'compensate', config: { nodes: ['a'] } }], [edge('a', 'c')]),
    '/nodes/1/config/nodes/0',
    /Give "a" an undo/,
  ],
  [
    'join_needs_too_many',
    automation([start, { id: 'j', type: 'join', config: { need: 3 } }], [edge('s', 'j')]),
    '/nodes/1/config/need',
    /at most 1/,
  ],
  [
    'duplicate_edge_id',
    automation([start, http('a'), http('b')], [edge('s', 'a', { id: 'e' }), edge('a', 'b', { id: 'e' })]),
    '/edges/1/id',
    /another id/,
  ],
  ['reserved_id', studio([root, { id: 'root_agent.listen', type: 'end' }]), '/nodes/1/id', /another id/],
  [
    'too_many_nodes',
    automation([start, ...Array.from({ length: 500 }, (_, index) => http(`n${index}`))]),
    '/nodes',
    /more than 500/,
  ],
];

const warnings: readonly Row[] = [
  ['no_ways', studio([root, { id: 'r', type: 'router' }], [edge('root_agent', 'r')]), '/nodes/1', /nothing to choose/],
  [
    'no_fallback',
    studio(
      [root, { id: 'r', type: 'decision' }, { id: 'e', type: 'end' }],
      [edge('root_agent', 'r'), edge('r', 'e', { condition: { expr: 'bye' } })],
    ),
    '/nodes/1',
    /"default"/,
  ],
  ['unreachable', studio([root, { id: 'e', type: 'end' }]), '/nodes/1', /no run ever comes here/],
  [
    'never_taken',
    automation([http('a'), http('b'), http('c')], [edge('a', 'b'), edge('a', 'c')]),
    '/edges/1',
    /parallel node/,
  ],
  [
    'end_goes_on',
    automation([start, { id: 'e', type: 'end' }, http('a')], [edge('s', 'e'), edge('e', 'a')]),
    '/nodes/1',
    /Remove the edges/,
  ],
  ['join_alone', automation([start, { id: 'j', type: 'join' }], [edge('s', 'j')]), '/nodes/1', /at least two/],
  [
    'error_way_unused',
    automation([http('a', { on_error: 'park' }), http('b')], [edge('a', 'b', { port: 'error' })]),
    '/nodes/0/on_error',
    /never taken/,
  ],
  [
    'unknown_name',
    withCode('llm', { prompt: 'Hi {{ customer.name }}' }),
    '/nodes/0/config/prompt',
    /\{\{ vars\.customer \}\}/,
  ],
  ['unknown_key', automation([http('a', { onError: 'park' })]), '/nodes/0/onError', /Rename onError to on_error/],
];

const definitions = new Map([
  ['draft', { kind: 'agent', published: false, versionId: null }],
  ['live', { kind: 'workflow', published: true, versionId: 'v' }],
]);

const found = (graph: GraphDocument, code: string): readonly GraphProblem[] =>
  compile(graph, { definitions }).problems.filter((problem) => problem.code === code);

test.each(blockers)('%s', (...[code, graph, at, says]: Row) => {
  const problem = found(graph, code).find(({ pointer }) => pointer === at);
  expect(problem).toMatchObject({ severity: 'blocker', message: expect.stringMatching(says) });
  expect(compile(graph, { definitions }).plan).toBeNull();
  const [list, index] = at.split('/').slice(1);
  if (index === undefined) return;
  if (list === 'nodes') expect(problem?.node_id).toBe(graph.nodes[Number(index)]?.id);
  if (list === 'edges') expect(problem?.edge_id).toBe(graph.edges[Number(index)]?.id);
});

test.each(warnings)('%s is a warning', (...[code, graph, at, says]: Row) => {
  const [problem] = found(graph, code);
  expect(problem).toMatchObject({ severity: 'warning', pointer: at, message: expect.stringMatching(says) });
  expect(() => planOf(graph, { definitions })).not.toThrow();
});

test('what makes a graph no graph is told apart from what it lacks', () => {
  const graph = studio([root, root], [edge('root_agent', 'gone', { id: 'e1' }), edge('nowhere', 'root_agent')]);
  expect(structureProblems(graph).map(({ code, pointer }) => [code, pointer])).toEqual([
    ['duplicate_node_id', '/nodes/1/id'],
    ['edge_to_missing_node', '/edges/0/target'],
    ['edge_to_missing_node', '/edges/1/source'],
  ]);
  expect(codesOf(compile(graph))).toEqual(expect.arrayContaining(['duplicate_node_id', 'edge_to_missing_node']));
  expect(structureProblems(studio([{ id: 'x', type: 'anything', config: { odd: [1] } }]))).toEqual([]);
});

test('one broken node is told once, not by every node around it', () => {
  const graph = automation(
    [
      start,
      { id: 'm', type: 'map', config: {} },
      http('x', { within: 'm' }),
      http('y', { undo: 'z' }),
      { ...http('z'), config: {} },
    ],
    [edge('s', 'm'), edge('m', 'y')],
  );
  expect(codesOf(compile(graph))).toEqual(['bad_config', 'bad_config', 'bad_config']);
});

test('blockers come before warnings; undo targets are reached', () => {
  const bad = { condition: { expr: 'input. >' } };
  const graph = automation([start, http('a', { undo: 'b' }), http('b'), http('lost')], [edge('s', 'a', bad)]);
  expect(codesOf(compile(graph))).toEqual(['bad_condition', 'unreachable']);
  expect(compile(automation([http('a', { undo: 'b' }), http('b')])).problems).toEqual([]);
});

test.each([
  { nodes: [{ id: 'a b', type: 'end' }] },
  { nodes: [{ id: 'a', type: 'end', retry: { attempts: 3 } }] },
  { nodes: [{ id: 'a', type: 'end', on_error: 'fallback' }] },
  { nodes: [{ id: 'a', type: 'end', save_as: '1x' }] },
  { engine: 'other' },
])('%j is refused when it is saved', (document) => expect(GraphDocument.safeParse(document).success).toBe(false));
