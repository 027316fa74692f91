import { expect, test } from '@jest/globals';
import { stagedWorkflowKind } from '../../api/services/staged/kind.js';
import { shippedWorkflows } from '../../workflows/definition/staged/shipped.js';

test('the shipped workflows are told as the surface spells them', () => {
  const [code, parallel] = shippedWorkflows;
  if (code === undefined || parallel === undefined) throw new Error('two are shipped');
  expect(stagedWorkflowKind.summary(code)).toMatchObject({ key: 'analysis_code', step_count: 2, default: true });
  const told = stagedWorkflowKind.descriptor(parallel);
  expect(told).toMatchObject({ key: 'analysis_parallel', step_count: 3, default: false, output_schema: null });
  expect(told.stages.map(({ name, mode, reducer }) => [name, mode, reducer])).toEqual([
    ['fanout', 'parallel', 'join_sections'],
    ['synthesis', 'sequential', null],
  ]);
  expect(told.stages[0]?.steps[0]).toEqual({
    ...{ name: 'analysis', agent_key: 'data_analyst', max_turns: null, output_schema: null },
    ...{ guard: null, guard_type: 'function', input_mapper: null, input_mapper_type: 'function' },
  });
});

test('a body is read with its names; one that is no document is refused', () => {
  const body = { key: 'mine', display_name: 'Mine', steps: [{ agent_key: 'triage', input_mapper: { $expr: 'text' } }] };
  expect(stagedWorkflowKind.isFor(body)).toBe(true);
  expect(stagedWorkflowKind.isFor({ nodes: [] })).toBe(false);
  const written = stagedWorkflowKind.read(body);
  expect(written).toMatchObject({ slug: 'mine', name: 'Mine', description: '' });
  const row = { slug: 'mine', name: written.name, description: '', document: written.document };
  expect(stagedWorkflowKind.descriptor(row).stages[0]?.steps[0]?.input_mapper).toBe('{"$expr":"text"}');
  expect(() => stagedWorkflowKind.read({ steps: [{ agent: 'triage' }] })).toThrow(/agent_key/);
});
