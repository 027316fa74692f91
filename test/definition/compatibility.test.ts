import { describe, expect, test } from '@jest/globals';
import { incompatibilities, type Position } from '../../workflows/definition/compatibility.js';
import { defaultPolicy, type Plan, type PlanEdge, type PlanNode } from '../../workflows/definition/plan.js';

const pass = (id: string, more: Partial<PlanNode> = {}): PlanNode =>
  // -- reason: `more` only adds what every kind may have
  ({ id, kind: 'pass', label: id, dialectKind: 'start', policy: defaultPolicy, config: {}, ...more }) as PlanNode;

const edge = (from: string, to: string): PlanEdge => ({
  from,
  to,
  port: 'out',
  condition: { type: 'always' },
  label: null,
});

const planOf = (nodes: readonly PlanNode[], edges: readonly PlanEdge[]): Plan => ({
  entry: nodes[0]?.id ?? '',
  nodes: Object.fromEntries(nodes.map((node) => [node.id, node])),
  edges,
});

const at = (nodeId: string, more: Partial<Position> = {}): Position => ({ nodeId, kind: 'pass', ...more });
const reasons = (positions: readonly Position[], next: Plan, forgotten: readonly string[] = []): readonly string[] =>
  incompatibilities({ positions, forgotten }, next);

describe('a run can be moved', () => {
  test('when every node it stands at is the same there', () => {
    expect(reasons([at('b')], planOf([pass('a'), pass('b'), pass('c')], [edge('b', 'c')]))).toEqual([]);
  });

  test('when what it forgot is read only where it no longer comes', () => {
    const next = planOf(
      [pass('a'), pass('b', { reads: { steps: ['a'] } }), pass('c')],
      [edge('a', 'b'), edge('b', 'c')],
    );
    expect(reasons([at('c')], next, ['a'])).toEqual([]);
  });
});

describe('a run cannot be moved', () => {
  test('when a node it stands at is gone', () => {
    expect(reasons([at('b'), at('b')], planOf([pass('a')], []))).toEqual([
      'The run stands at "b", which the new version does not have.',
    ]);
  });

  test('when it is of another kind', () => {
    expect(reasons([at('a', { kind: 'approval' })], planOf([pass('a')], []))).toEqual([
      'The run stands at "a", of kind approval; in the new version it is of kind pass.',
    ]);
  });

  test('when it stands in the body of something else', () => {
    expect(reasons([at('a', { within: 'each' })], planOf([pass('a')], []))).toEqual([
      'The run stands at "a" in the body of "each"; in the new version it is outside every map and loop.',
    ]);
  });

  test('when what comes reads a result it did not keep, through edges, bodies and frames', () => {
    const loop = pass('again', { kind: 'loop', config: { entry: 'inner', max_iterations: 2 } } as Partial<PlanNode>);
    const nodes = [pass('a'), pass('b'), loop, pass('inner', { within: 'again', reads: { steps: ['a'] } })];
    expect(reasons([at('b')], planOf(nodes, [edge('b', 'again')]), ['a'])).toEqual([
      'The new version reads steps.a, whose result this run did not keep; let it finish on its own version.',
    ]);
    const after = [pass('a'), loop, pass('inner', { within: 'again' }), pass('z', { reads: { steps: ['a'] } })];
    expect(reasons([at('inner', { within: 'again' })], planOf(after, [edge('again', 'z')]), ['a'])).toHaveLength(1);
  });
});
