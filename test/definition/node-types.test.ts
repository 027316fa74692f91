import fs from 'node:fs';
import { expect, test } from '@jest/globals';
import type { ZodType } from 'zod';
import { nodeDocument } from '../../local/node-document.js';
import { plainConfigs, stepKinds } from '../../workflows/definition/chain.js';
import { graphConfigs, graphTypes, schemaFor, studioTypes } from '../../workflows/definition/graph-configs.js';
import { chainAbout, graphAbout } from '../../workflows/definition/node-type-texts.js';
import { nodeTypes } from '../../workflows/definition/node-types.js';
import type { Json } from '../../workflows/definition/values.js';
import { dialects } from '../../workflows/definition/dialects.js';
import { nothingKnown } from '../support/graphs.js';

const typesOf = (...of: Parameters<typeof nodeTypes>) => nodeTypes(...of).map((each) => each.type);

test('every dialect lists its types', () => {
  expect(typesOf('studio').toSorted()).toEqual([...studioTypes].toSorted());
  expect(typesOf('automation').toSorted()).toEqual([...graphTypes].toSorted());
  expect(typesOf('chain').toSorted()).toEqual([...stepKinds].toSorted());
});

test.each(graphTypes)('the examples of %s are right', (type) => {
  for (const example of graphAbout[type].examples) {
    expect(schemaFor(type, Object(example)).safeParse(example)).toMatchObject({ success: true });
    const whole: ZodType = graphConfigs[type];
    expect(whole.safeParse(example).success).toBe(true);
  }
});

test('the examples of chain steps are right', () => {
  for (const [kind, { examples }] of Object.entries(chainAbout)) {
    const schema = new Map<string, { safeParse: (value: unknown) => { success: boolean } }>(
      Object.entries(plainConfigs),
    ).get(kind);
    for (const example of examples) expect(schema?.safeParse(example).success).toBe(true);
  }
});

test('each has a JSON Schema of an object, ports and a class', () => {
  for (const { config, ports, execution, description, type } of nodeTypes()) {
    expect([type, JSON.stringify(config)]).toEqual([type, expect.stringMatching(/"type":"object"/)]);
    expect(ports).toContain('error');
    expect(execution).not.toBe('');
    expect(description).toMatch(/\.$/);
  }
});

test('docs/NODES.md is what the schemas say', () => {
  const file = new URL('../../../docs/NODES.md', import.meta.url);
  // written anew by `node dist/local/node-document.js`
  expect(fs.readFileSync(file, 'utf8')).toBe(nodeDocument());
});

test('a dialect parses, compiles and says what to look up', () => {
  const { chain, workflow } = dialects;
  expect(workflow.parse({ nodes: [{ id: 'a b', type: 'end' }] })).toMatchObject({
    problems: [{ code: 'bad_document', pointer: '/nodes/0/id' }],
  });
  expect(
    workflow.parse({
      nodes: [
        { id: 'a', type: 'end' },
        { id: 'a', type: 'end' },
      ],
    }),
  ).toMatchObject({ problems: [{ code: 'duplicate_node_id' }] });
  expect(workflow.parse({})).toEqual({ document: workflow.empty('x') });
  expect(workflow.compile({ nodes: 3 }, nothingKnown)).toMatchObject({ plan: null, problems: [{ pointer: '/nodes' }] });
  const calls = {
    nodes: [
      { id: 'a', type: 'flow-agent', config: { agent_id: 'g' } },
      { id: 'b', type: 'tool', config: { tool_name: 't' } },
    ],
  };
  expect(workflow.references(calls)).toEqual({ definitions: ['g'], tools: ['t'] });
  expect(chain.parse(chain.empty('Mine'))).toEqual({ document: chain.empty('Mine') });
  expect(chain.parse({ name: '' })).toMatchObject({ problems: [{ pointer: '/name' }] });
});

test('a chain may use the palette, and is checked like a graph', () => {
  const { chain } = dialects;
  const step = (kind: string, config: Json, more: Record<string, Json> = {}): Json => ({
    kind,
    label: kind,
    config,
    ...more,
  });
  const good = {
    name: 'Mixed',
    primary_steps: [
      step('set', { values: { a: '{{ input.a }}' } }),
      step(
        'http',
        { url: 'https://example.com/{{ vars.a }}' },
        { retry: { max_attempts: 2 }, save_as: 'got', on_error: { action: 'fallback', value: null } },
      ),
      step('approval', { prompt: 'Sure, {{ steps.p1.status }}?' }),
      step('subflow', { definition: 'wf_1' }),
      step('tool', { tool_name: 'lookup' }),
      step('respond', {}),
    ],
  };
  const definitions = new Map([['wf_1', { kind: 'workflow', published: true, versionId: 'v' }]]);
  expect(chain.references(good)).toEqual({ definitions: ['wf_1'], tools: ['lookup'] });
  const { plan, problems } = chain.compile(good, { ...nothingKnown, definitions });
  expect(problems).toEqual([]);
  expect(plan?.nodes['p1']).toMatchObject({
    kind: 'http',
    saveAs: 'got',
    policy: { maxAttempts: 2, onError: { action: 'fallback', value: null } },
    reads: { vars: true },
  });
  expect(plan?.nodes['p2']).toMatchObject({ kind: 'approval', reads: { steps: ['p1'] } });
  expect(plan?.edges.find((edge) => edge.from === 'p2')).toMatchObject({ to: 'p3', port: 'approved' });
  const bad = {
    name: 'Bad',
    primary_steps: [
      step('set', { values: { a: '{{ x' } }),
      step('http', { url: 'http://localhost' }),
      step('subflow', { definition: 'gone' }),
      step('tool', { tool_name: 'gone' }),
      step('agent', { message: '{{ x | y }}' }),
      step('code', { source: 'return steps.p9' }),
    ],
  };
  expect(chain.compile(bad, nothingKnown).problems.map(({ code, pointer }) => [code, pointer])).toEqual([
    ['bad_mapping', '/primary_steps/0/config/values/a'],
    ['unsafe_url', '/primary_steps/1/config/url'],
    ['unknown_definition', '/primary_steps/2/config/definition'],
    ['unknown_tool', '/primary_steps/3/config/tool_name'],
    ['bad_template', '/primary_steps/4/config/message'],
    ['unknown_step', '/primary_steps'],
  ]);
  const routed = { name: 'No', primary_steps: [step('http', { url: 'https://example.com' }, { on_error: 'route' })] };
  expect(chain.parse(routed)).toMatchObject({ problems: [{ pointer: '/primary_steps/0/on_error' }] });
});
