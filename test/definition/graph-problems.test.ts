import { expect, test } from '@jest/globals';
import type { GraphDocument } from '../../workflows/definition/graph.js';
import type { GraphProblem } from '../../workflows/definition/graph-plan.js';
import { automation, compile, studio } from '../support/graphs.js';

const root = { id: 'root_agent', type: 'instruction_agent', config: { instructions: 'Help.' } };
const http = (id: string, more: object = {}) => ({ id, type: 'http', config: { url: 'https://example.com' }, ...more });
const edge = (source: string, target: string, more: object = {}) => ({ source, target, ...more });
const start = { id: 's', type: 'start' };

/** `[code, graph, pointer, sentence]`. */
type Row = readonly [string, GraphDocument, string, RegExp];

const withCode = (type: string, config: object, more: object = {}) => automation([{ id: 'n', type, config, ...more }]);

const blockers: readonly Row[] = [
  ['no_entry', studio([]), '/nodes', /add a trigger/],
  [
    'no_entry',
    studio(
      [
        { id: 'a', type: 'router' },
        { id: 'b', type: 'router' },
      ],
      [edge('a', 'b'), edge('b', 'a')],
    ),
    '/nodes',
    /where it begins/,
  ],
  ['several_entries', automation([http('a'), http('b')]), '/nodes', /"a", "b" all could/],
  [
    'blocked_type',
    studio([root, { id: 'x', type: 'script', config: {} }], [edge('root_agent', 'x')]),
    '/nodes/1/type',
    /set engine to automation/,
  ],
  ['blocked_type', studio([root, { id: 'x', type: 'http', config: {} }]), '/nodes/1/type', /set engine to automation/],
  [
    'blocked_type',
    studio([root, { id: 'x', type: 'datastore' }]),
    '/nodes/1/type',
    /variables \(set\) or call a service/,
  ],
  ['blocked_type', automation([start, { id: 'x', type: 'datastore' }]), '/nodes/1/type', /variables/],
  ['unknown_type', studio([root, { id: 'x', type: 'teleport' }]), '/nodes/1/type', /instruction_agent, flow-agent/],
  ['bad_config', withCode('http', {}), '/nodes/0/config/url', /^Set url: the config of http needs it\.$/],
  ['bad_config', withCode('http', { url: 'https://example.com', verb: 'GET' }), '/nodes/0/config', /^Remove verb/],
  [
    'bad_config',
    withCode('map', { items: 'input', entry: 'x', concurrency: 900 }),
    '/nodes/0/config/concurrency',
    /^Correct concurrency/,
  ],
  ['bad_expression', withCode('map', { items: 'input.', entry: 'x' }), '/nodes/0/config/items', /^items: /],
  ['bad_template', withCode('http', { url: 'https://example.com/{{ x' }), '/nodes/0/config/url', /not closed/],
  [
    'bad_template',
    withCode('http', { url: 'https://example.com', headers: { a: '{{ x | y }}' } }),
    '/nodes/0/config/headers/a',
    /undefined filter/,
  ],
  [
    'bad_mapping',
    withCode('set', { values: { a: { b: [{ $expr: '1 +' }] } } }),
    '/nodes/0/config/values/a',
    /Unexpected/,
  ],
  [
    'bad_schema',
    withCode('llm', { schema: { properties: { a: { type: 'nope' } } } }),
    '/nodes/0/config/schema/properties/a/type',
    /must be one of/,
  ],
  [
    'bad_schema',
    automation([start], [], { input_schema: { required: 'a' } }),
    '/input_schema/required',
    /list of property names/,
  ],
  ['bad_schedule', withCode('delay', { cron: '61 * * * *' }), '/nodes/0/config/cron', /^Correct cron/],
  ['unknown_step', withCode('set', { values: { a: '{{ steps.gone.x }}' } }), '/nodes/0/config', /no node has this id/],
  [
    'unknown_step',
    automation([start, http('x')], [edge('s', 'x', { condition: { expr: 'steps.gone == 1' } })]),
    '/edges/0/condition/expr',
    /steps\.gone/,
  ],
  [
    'bad_condition',
    automation([start, http('x')], [edge('s', 'x', { condition: { expr: 'input. >' } })]),
    '/edges/0/condition/expr',
    /may be CEL, default/,
  ],
  ['bad_port', automation([start, http('x')], [edge('s', 'x', { port: 'approved' })]), '/edges/0/port', /out, error/],
  [
    'case_missing',
    automation([{ id: 'n', type: 'switch', config: { on: 'input' } }, http('x')], [edge('n', 'x')]),
    '/edges/0/label',
    /Label this edge/,
  ],
  ['empty_instructions', studio([{ ...root, config: {} }]), '/nodes/0/config/instructions', /Write the instructions/],
  ['empty_instructions', studio([{ id: 'a', type: 'agent' }]), '/nodes/0/config/instructions', /bind an agent/],
  [
    'unknown_tool',
    studio([{ ...root, config: { instructions: 'x', tools: ['lookup', 'gone'] } }]),
    '/nodes/0/config/tools/1',
    /workspace-tools/,
  ],
  ['unknown_tool', withCode('tool', { tool_name: 'gone' }), '/nodes/0/config/tool_name', /no tool "gone"/],
  ['agent_missing', studio([{ id: 'a', type: 'flow-agent' }]), '/nodes/0/config/agent_id', /Bind an agent/],
  [
    'unknown_definition',
    studio([{ id: 'a', type: 'flow-agent', config: { agent_id: 'q' } }]),
    '/nodes/0/config/agent_id',
    /no agent "q"/,
  ],
  [
    'not_published',
    studio([{ id: 'a', type: 'agent', config: { definition_id: 'draft' } }]),
    '/nodes/0/config/definition_id',
    /publish it first/,
  ],
  ['workflow_missing', studio([root, { id: 'w', type: 'workflow' }]), '/nodes/1/config/workflow_id', /Set workflow_id/],
  [
    'self_cycle',
    studio([{ id: 'w', type: 'workflow', config: { workflow_id: 'wf_self' } }]),
    '/nodes/0/config/workflow_id',
    /cannot contain itself/,
  ],
  [
    'not_nestable',
    studio([{ id: 'w', type: 'workflow', config: { workflow_id: 'live' } }]),
    '/nodes/0/config/workflow_id',
    /publish it again/,
  ],
  ['unknown_definition', withCode('subflow', { definition: 'q' }), '/nodes/0/config/definition', /no definition "q"/],
  ['unsafe_url', withCode('http', { url: 'http://localhost' }), '/nodes/0/config/url', /localhost is private/],
  [
    'unsafe_url',
    withCode('channel_send', { channel: 'webhook', to: 'http://localhost' }),
    '/nodes/0/config/to',
    /localhost/,
  ],
  [
    'unsafe_url',
    withCode('email', {
      to: 'a@example.com',
      on_unknown: { action: 'reconcile', url: 'http://localhost', done_when: 'status == 200 && body.ok' },
    }),
    '/nodes/0/config/on_unknown/url',
    /localhost/,
  ],
  ['channel_incomplete', withCode('channel_send', { channel: 'webhook' }), '/nodes/0/config/to', /needs an address/],
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
