import { describe, expect, test } from '@jest/globals';
import type { Plan } from '../../workflows/definition/plan.js';
import { inline, jsonOf } from '../../workflows/definition/values.js';
import { nodeOf } from '../../workflows/engine/graph.js';
import { cancel, cancelNodes, complete, fail, finishNow, giveUp, unpark } from '../../workflows/engine/reduce.js';
import type { RunState } from '../../workflows/engine/state.js';
import { agent, branch, buildPlan, edge, join, linePlan, pass } from '../support/plans.js';
import { done, error, input, opened, run, started, under, visitOf } from './steps.js';

test('a line visits each node once and ends with the last output', () => {
  const { state, order } = run(linePlan(pass('a'), agent('b'), pass('c')));
  expect(order).toEqual(['a', 'b', 'c']);
  expect(state.end).toEqual({ status: 'completed', output: inline('c') });
});

test('a branch follows the first edge that holds, and its default otherwise', () => {
  const plan = buildPlan(
    [branch('d'), agent('refund'), agent('other')],
    [edge('d', 'refund', { condition: { type: 'contains', text: 'REFUND' }, label: 'refund' }), edge('d', 'other')],
  );
  expect(run(plan, () => 'please refund me').order).toEqual(['d', 'refund']);
  expect(run(plan, () => 'hello').order).toEqual(['d', 'other']);
});

test('a path that ends is part of the output; several give an object by node, in the order of the plan', () => {
  const plan = buildPlan([pass('a'), agent('z'), agent('b')], [edge('a', 'b'), edge('a', 'z')]);
  const { end } = run(plan).state;
  const output = end?.status === 'completed' ? jsonOf(end.output) : null;
  expect(JSON.stringify(output)).toBe('{"z":"z","b":"b"}');
});

describe('failure', () => {
  const failing = (plan: Plan): RunState => {
    const state = opened(plan);
    return started(plan, fail(plan, state, { visit: visitOf(state, 'a'), error }));
  };

  test('fail ends the run with the error and where it happened', () => {
    expect(failing(linePlan(agent('a'), pass('b'))).end).toEqual({
      status: 'failed',
      error: { ...error, node_id: 'a' },
    });
  });

  test('fallback goes on with its value', () => {
    const state = failing(linePlan(agent('a', { action: 'fallback', value: 'instead' }), pass('b')));
    expect(visitOf(state, 'b').input).toEqual(inline('instead'));
  });

  test('route follows the error edge with what went wrong, and fails without one', () => {
    const nodes = [agent('a', { action: 'route' }), pass('b'), pass('c')];
    const state = failing(buildPlan(nodes, [edge('a', 'b'), edge('a', 'c', { port: 'error' })]));
    expect(jsonOf(visitOf(state, 'c').input)).toEqual({ error: { ...error, node_id: 'a' }, node: 'a' });
    expect(failing(buildPlan(nodes, [edge('a', 'b')])).end?.status).toBe('failed');
  });

  test('route without an edge whose condition holds fails', () => {
    const plan = buildPlan([agent('a', { action: 'route' }), pass('c')], [edge('a', 'c', { port: 'error' })]);
    const state = opened(plan);
    expect(fail(plan, state, { visit: visitOf(state, 'a'), error, edges: [] }).end?.status).toBe('failed');
  });

  test('a parked node stays until it is started anew, or given up', () => {
    const plan = linePlan(agent('a', { action: 'park' }), pass('b'));
    const parked = failing(plan);
    expect(parked).toMatchObject({ end: null, ready: [], parked: { 'a/1': { ...error, node_id: 'a' } } });
    const again = unpark(parked, 'a/1');
    expect(again.parked).toEqual({});
    expect(under(done(plan, again, 'a'))).toEqual(['b']);
    const { end } = giveUp(plan, parked, { visit: visitOf(parked, 'a'), error });
    expect(end).toEqual({ status: 'failed', error: { ...error, node_id: 'a' } });
  });

  test('what has ended stays as it is', () => {
    const plan = linePlan(agent('a'), pass('b'));
    const state = opened(plan);
    const visit = visitOf(state, 'a');
    const ended = cancel(state, null);
    expect(fail(plan, ended, { visit, error })).toBe(ended);
    expect(complete(plan, ended, { visit, output: input, port: 'out', edges: [] })).toBe(ended);
    expect(finishNow(ended, input)).toBe(ended);
    expect(cancelNodes(plan, ended, { scope: '', nodes: ['a'] })).toBe(ended);
  });

  test('a refusal without a way of its own cancels the run', () => {
    const plan = linePlan(agent('a'));
    const state = opened(plan);
    const refused = complete(plan, state, { visit: visitOf(state, 'a'), output: input, port: 'rejected', edges: [] });
    expect(refused.end).toEqual({ status: 'cancelled', error: null });
  });
});

test('a loop by edges visits a node again under the next number', () => {
  const plan = buildPlan(
    [agent('a'), branch('again'), pass('z')],
    [edge('a', 'again'), edge('again', 'a', { condition: { type: 'contains', text: 'more' } }), edge('again', 'z')],
  );
  let state = opened(plan);
  for (const text of ['more', 'more', 'enough']) state = done(plan, done(plan, state, 'a'), `again says ${text}`);
  expect(state.visits).toEqual({ a: 3, again: 3, z: 1 });
});

test('withdrawn nodes never complete, and a join that waited for them goes on', () => {
  const plan = buildPlan(
    [pass('a'), agent('b'), agent('c'), join('j')],
    [edge('a', 'b'), edge('a', 'c'), edge('b', 'j'), edge('c', 'j')],
  );
  const state = done(plan, done(plan, opened(plan), 'a'), 'b');
  const visit = visitOf(state, 'c');
  const without = started(plan, cancelNodes(plan, state, { scope: '', nodes: ['c'] }));
  expect(under(without)).toEqual(['j']);
  expect(complete(plan, without, { visit, output: input, port: 'out', edges: [] })).toBe(without);
});

test('of one mutex only one runs, in the order they came', () => {
  const plan = buildPlan(
    [pass('a'), { ...agent('b'), mutex: 'm' }, { ...agent('c'), mutex: 'm' }, agent('d')],
    [edge('a', 'b'), edge('a', 'c'), edge('a', 'd')],
  );
  const state = done(plan, opened(plan), 'a');
  expect(under(state)).toEqual(['b', 'd']);
  expect(under(done(plan, state, 'b'))).toEqual(['d', 'c']);
});

test('a node may be called like something every object has', () => {
  const { state } = run(linePlan(agent('constructor'), agent('toString'), agent('valueOf')));
  expect(state.visits).toEqual(Object.fromEntries(['constructor', 'toString', 'valueOf'].map((id) => [id, 1])));
  expect(nodeOf(linePlan(agent('constructor')), 'constructor').kind).toBe('agent');
});
