import { describe, expect, test } from '@jest/globals';
import type { Plan, PlanNode } from '../../workflows/definition/plan.js';
import { inline, jsonOf } from '../../workflows/definition/values.js';
import { complete, fail } from '../../workflows/engine/reduce.js';
import type { RunState, Visit } from '../../workflows/engine/state.js';
import { agent, branch, buildPlan, edge, join, pass } from '../support/plans.js';
import { chooseEdges } from './driver.js';
import { done, error, opened, run, started, under, visitOf } from './steps.js';

const joining = (id: string, need: 'all' | number, cancelRest: boolean): PlanNode => ({
  ...pass(id),
  kind: 'join',
  config: { need, cancelRest },
});

describe('joins', () => {
  const diamond = (need: 'all' | number, cancelRest = false): Plan =>
    buildPlan(
      [pass('a'), agent('b'), agent('c'), joining('j', need, cancelRest), pass('z')],
      [edge('a', 'b'), edge('a', 'c'), edge('b', 'j'), edge('c', 'j'), edge('j', 'z')],
    );

  test('all waits for every side and gathers their outputs in the order of the plan', () => {
    const plan = diamond('all');
    const state = done(plan, done(plan, done(plan, opened(plan), 'a'), 'c'), 'b');
    expect(JSON.stringify(visitOf(state, 'j').input)).toBe('{"parts":{"b":{"json":"b"},"c":{"json":"c"}}}');
  });

  test('one of two goes on with the first and ignores the second', () => {
    const plan = diamond(1);
    const first = done(plan, done(plan, done(plan, done(plan, opened(plan), 'a'), 'c'), 'j'), 'z');
    expect(first.end).toBeNull();
    const { end, visits } = done(plan, first, 'b');
    expect(end).toEqual({ status: 'completed', output: inline('z') });
    expect(visits).toEqual({ a: 1, b: 1, c: 1, j: 1, z: 1 });
  });

  test('one of two withdraws the second', () => {
    const plan = diamond(1, true);
    const state = done(plan, done(plan, opened(plan), 'a'), 'c');
    expect(under(state)).toEqual(['j']);
  });

  test('a side that was not taken does not hold the join', () => {
    const plan = buildPlan(
      [branch('d'), agent('b'), agent('c'), join('j')],
      [edge('d', 'b', { condition: { type: 'contains', text: 'd' } }), edge('d', 'c'), edge('b', 'j'), edge('c', 'j')],
    );
    const { state, order } = run(plan);
    expect(order).toEqual(['d', 'b', 'j']);
    expect(state.end).toMatchObject({ status: 'completed' });
  });

  test('a side that fails and is routed elsewhere does not hold the join', () => {
    const plan = buildPlan(
      [pass('a'), agent('b'), agent('c', { action: 'route' }), join('j'), agent('mend')],
      [edge('a', 'b'), edge('a', 'c'), edge('b', 'j'), edge('c', 'j'), edge('c', 'mend', { port: 'error' })],
    );
    const waiting = done(plan, done(plan, opened(plan), 'a'), 'b');
    expect(under(waiting)).toEqual(['c']);
    const failed = started(plan, fail(plan, waiting, { visit: visitOf(waiting, 'c'), error }));
    expect(under(failed).toSorted()).toEqual(['j', 'mend']);
  });

  test('what comes to a join directly, beside what comes on a way round, is seen as coming', () => {
    const plan = buildPlan(
      [pass('a'), agent('b'), join('j', 1), agent('z')],
      [edge('a', 'j'), edge('a', 'b'), edge('b', 'j'), edge('j', 'z')],
    );
    expect(run(plan).order.filter((id) => id === 'j')).toHaveLength(1);
  });

  test('the same source by two edges comes once', () => {
    const plan = buildPlan([pass('a'), join('j')], [edge('a', 'j'), edge('a', 'j', { label: 'too' })]);
    expect(run(plan).order).toEqual(['a', 'j']);
  });

  test('the same source by two ports comes by the one it leaves by', () => {
    const plan = buildPlan(
      [pass('a'), agent('b', { action: 'route' }), agent('c'), join('j')],
      [edge('a', 'b'), edge('a', 'c'), edge('b', 'j'), edge('b', 'j', { port: 'error' }), edge('c', 'j')],
    );
    const state = done(plan, done(plan, opened(plan), 'a'), 'c');
    const failed = started(plan, fail(plan, state, { visit: visitOf(state, 'b'), error }));
    expect(jsonOf(visitOf(failed, 'j').input)).toMatchObject({ b: { node: 'b' }, c: 'c' });
  });
});

describe('joins in cycles', () => {
  /** a -> (b | wait -> c) -> any -> test -> back to a, or out. */
  const race = (cancelRest: boolean): Plan =>
    buildPlan(
      [
        pass('a'),
        agent('b'),
        pass('split'),
        agent('c'),
        agent('d'),
        join('both'),
        joining('j', 1, cancelRest),
        branch('test'),
        agent('out'),
      ],
      [
        ...[edge('a', 'b'), edge('a', 'split'), edge('split', 'c'), edge('split', 'd')],
        ...[edge('c', 'both'), edge('d', 'both'), edge('both', 'j'), edge('b', 'j'), edge('j', 'test')],
        edge('test', 'a', { condition: { type: 'contains', text: 'again' } }),
        edge('test', 'out'),
      ],
    );
  const round = (plan: Plan, state: RunState): RunState =>
    done(plan, done(plan, done(plan, state, 'b'), 'j'), 'test says again');

  test('what is left of one round never meets the next', () => {
    const plan = race(false);
    let state = done(plan, done(plan, opened(plan), 'a'), 'split');
    state = done(plan, done(plan, round(plan, state), 'a'), 'split');
    expect(state.open).toHaveProperty(['c/1']);
    const old = state.open['c/1'] as Visit;
    const young = state.open['d/2'] as Visit;
    const result = { output: inline('x'), port: 'out' } as const;
    for (const visit of [old, young]) {
      state = complete(plan, state, { visit, ...result, edges: chooseEdges({ plan }, visit, result) });
    }
    expect(state.visits['both']).toBeUndefined();
    const other = state.open['d/1'] as Visit;
    state = complete(plan, state, { visit: other, ...result, edges: chooseEdges({ plan }, other, result) });
    expect(state.visits).toMatchObject({ both: 1, j: 1 });
  });

  test('withdrawing the rest of one round leaves the next alone', () => {
    const plan = race(true);
    const state = round(plan, done(plan, done(plan, opened(plan), 'a'), 'split'));
    expect(under(state)).toEqual(['a']);
    expect(state.visits).toMatchObject({ a: 2, j: 1 });
  });

  test('a join does not wait for what can only come by going round again', () => {
    const plan = buildPlan(
      [
        pass('a'),
        agent('b'),
        pass('some'),
        agent('x'),
        agent('y'),
        join('inner'),
        join('outer'),
        branch('test'),
        pass('z'),
      ],
      [
        ...[edge('a', 'b'), edge('a', 'some')],
        edge('some', 'x'),
        edge('some', 'y', { condition: { type: 'contains', text: 'never' } }),
        ...[edge('x', 'inner'), edge('y', 'inner'), edge('inner', 'outer'), edge('b', 'outer'), edge('outer', 'test')],
        edge('test', 'a', { condition: { type: 'contains', text: 'again' } }),
        edge('test', 'z'),
      ],
    );
    const state = done(plan, done(plan, done(plan, opened(plan), 'a'), 'some'), 'x');
    expect(under(state).toSorted()).toEqual(['b', 'inner']);
  });

  test('of joins that wait for nothing but each other the first in the plan goes', () => {
    const plan = buildPlan(
      [pass('s'), agent('a'), agent('b'), branch('j1'), join('j'), join('k'), agent('z')],
      [
        ...[edge('s', 'a'), edge('s', 'b'), edge('a', 'j'), edge('b', 'k')],
        ...[edge('j', 'k'), edge('k', 'j', { condition: { type: 'contains', text: 'never' } }), edge('k', 'z')],
      ],
    );
    for (const order of [
      ['a', 'b'],
      ['b', 'a'],
    ]) {
      const state = order.reduce((next, id) => done(plan, next, id), done(plan, opened(plan), 's'));
      expect(under(state)).toEqual(['j']);
      const { end, visits } = done(plan, done(plan, done(plan, state, 'j'), 'k'), 'z');
      expect(end?.status).toBe('completed');
      expect(visits).toMatchObject({ j: 1, k: 1 });
    }
  });
});
