import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Plan } from '../../workflows/definition/plan.js';
import { inline } from '../../workflows/definition/values.js';
import { chosen, edgesFrom, holds } from '../../workflows/engine/conditions.js';
import { advance, begin, cancel, complete, fail, nodeOf, reserve, start } from '../../workflows/engine/reduce.js';
import { endsWith, lineFrom } from '../../workflows/engine/segments.js';
import type { RunState, Visit } from '../../workflows/engine/state.js';
import { agent, branch, buildPlan, edge, join, linePlan, logLine, pass } from '../support/plans.js';

/** Completes one open visit with an output. */
function done(plan: Plan, state: RunState, { text, ...visit }: Visit & { readonly text?: string }): RunState {
  const said = text ?? visit.nodeId;
  const candidates = edgesFrom(plan.edges, visit.nodeId, 'out');
  const matches = candidates.map((each) => holds(each.condition, said));
  const edges = chosen(nodeOf(plan, visit.nodeId), candidates, matches);
  return complete(plan, state, { visit, output: inline(said), port: 'out', edges });
}

const firstReady = (state: RunState): Visit => {
  const [visit] = state.ready;
  if (visit === undefined) throw new Error('nothing is ready');
  return visit;
};

/** Runs a plan to its end; `pick` chooses among what could happen next. */
function play(
  plan: Plan,
  pick: (choices: number) => number,
): { readonly state: RunState; readonly order: readonly string[] } {
  let state = begin(plan, inline('in'));
  const order: string[] = [];
  for (let guard = 0; state.end === null && guard < 500; guard += 1) {
    const open = Object.values(state.open);
    const at = pick(state.ready.length + open.length);
    const visit = state.ready[at];
    if (visit === undefined) {
      const finished = open[at - state.ready.length];
      if (finished === undefined) throw new Error('stuck');
      state = done(plan, state, finished);
    } else {
      order.push(visit.nodeId);
      state = start(state, visit);
    }
  }
  return { state, order };
}

test('a line visits each node once and ends with the last output', () => {
  const { state, order } = play(linePlan(pass('a'), agent('b'), pass('c')), () => 0);
  expect(order).toEqual(['a', 'b', 'c']);
  expect(state.end).toEqual({ status: 'completed', output: inline('c') });
});

test('a branch follows the first edge that holds, and its default otherwise', () => {
  const plan = buildPlan(
    [branch('d'), agent('refund'), agent('other')],
    [edge('d', 'refund', { condition: { type: 'contains', text: 'REFUND' }, label: 'refund' }), edge('d', 'other')],
  );
  const opened = (text: string): string => {
    const fresh = begin(plan, inline(text));
    const visit = firstReady(fresh);
    return firstReady(done(plan, start(fresh, visit), { ...visit, text })).nodeId;
  };
  expect(opened('please refund me')).toBe('refund');
  expect(opened('hello')).toBe('other');
});

describe('joins', () => {
  const diamond = (need: 'all' | number) =>
    buildPlan(
      [pass('a'), agent('b'), agent('c'), join('j', need), pass('z')],
      [edge('a', 'b'), edge('a', 'c'), edge('b', 'j'), edge('c', 'j'), edge('j', 'z')],
    );

  test('all waits for every side and gathers their outputs', () => {
    const { state, order } = play(diamond('all'), () => 0);
    expect(order.filter((id) => id === 'z')).toHaveLength(1);
    expect(order.indexOf('z')).toBeGreaterThan(order.indexOf('c'));
    expect(state.end?.status).toBe('completed');
  });

  test('one of two goes on with the first and swallows the second', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), (stream) => {
        const { state, order } = play(diamond(1), (choices) => (stream.next().value ?? 0) % choices);
        expect(order.filter((id) => id === 'z')).toHaveLength(1);
        expect(state.end?.status).toBe('completed');
      }),
    );
  });

  test('a side that was not taken does not hold the join', () => {
    const plan = buildPlan(
      [branch('d'), agent('b'), agent('c'), join('j')],
      [edge('d', 'b', { condition: { type: 'contains', text: 'in' } }), edge('d', 'c'), edge('b', 'j'), edge('c', 'j')],
    );
    const { state } = play(plan, () => 0);
    expect(state.end).toMatchObject({ status: 'completed' });
  });
});

describe('failure', () => {
  const started = (plan: Plan): { readonly state: RunState; readonly visit: Visit } => {
    const fresh = begin(plan, inline('in'));
    const visit = firstReady(fresh);
    return { state: start(fresh, visit), visit };
  };
  const error = { type: 'http_status', message: 'no' };

  test('fail ends the run with the error', () => {
    const plan = linePlan(agent('a'), pass('b'));
    const { state, visit } = started(plan);
    expect(fail(plan, state, { visit, error }).end).toEqual({ status: 'failed', error });
  });

  test('fallback goes on with its value', () => {
    const plan = linePlan(agent('a', { action: 'fallback', value: 'instead' }), pass('b'));
    const { state, visit } = started(plan);
    expect(firstReady(fail(plan, state, { visit, error }))).toMatchObject({ nodeId: 'b', input: inline('instead') });
  });

  test('route follows the error edges with what went wrong', () => {
    const plan = buildPlan(
      [agent('a', { action: 'route' }), pass('b'), pass('c')],
      [edge('a', 'b'), edge('a', 'c', { port: 'error' })],
    );
    const { state, visit } = started(plan);
    expect(firstReady(fail(plan, state, { visit, error }))).toMatchObject({
      nodeId: 'c',
      input: inline({ error, node: 'a' }),
    });
  });

  test('what has ended stays as it is', () => {
    const plan = linePlan(agent('a'), pass('b'));
    const { state, visit } = started(plan);
    const ended = cancel(state, null);
    expect(fail(plan, ended, { visit, error })).toBe(ended);
    expect(done(plan, ended, visit)).toBe(ended);
  });
});

test('a loop visits a node again under the next number', () => {
  const plan = buildPlan(
    [agent('a'), branch('again'), pass('z')],
    [edge('a', 'again'), edge('again', 'a', { condition: { type: 'contains', text: 'more' } }), edge('again', 'z')],
  );
  let state = begin(plan, inline('in'));
  for (const text of ['more', 'more', 'enough']) {
    for (const nodeId of ['a', 'again']) {
      const visit = firstReady(state);
      expect(visit.nodeId).toBe(nodeId);
      state = done(plan, start(state, visit), { ...visit, text });
    }
  }
  expect(state.visits).toEqual({ a: 3, again: 3, z: 1 });
});

describe('lines of fast nodes', () => {
  test('only fast nodes share an activity', () => {
    const plan = linePlan(logLine('a'), logLine('b'), agent('c'), logLine('d'));
    expect(lineFrom(plan, 'a').map((node) => node.id)).toEqual(['a', 'b']);
    expect(lineFrom(plan, 'c').map((node) => node.id)).toEqual(['c']);
  });

  test('the last line of the only token ends the run', () => {
    const plan = linePlan(logLine('a'), logLine('b'));
    const fresh = begin(plan, inline('in'));
    const visit = firstReady(fresh);
    const state = start(fresh, visit);
    expect(endsWith(plan, state, { head: visit, last: nodeOf(plan, 'b') })).toBe(true);
    const reserved = reserve(state, 'b');
    const last = { nodeId: 'b', visit: reserved.visit, input: inline('a') };
    expect(done(plan, advance(reserved.state, visit, last), last).end?.status).toBe('completed');
  });
});

test('whatever the order of completion, the same plan comes to the same end', () => {
  const plan = buildPlan(
    [pass('a'), agent('b'), agent('c'), agent('d'), join('j'), agent('z')],
    [edge('a', 'b'), edge('a', 'c'), edge('a', 'd'), edge('b', 'j'), edge('c', 'j'), edge('d', 'j'), edge('j', 'z')],
  );
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat()), (stream) => {
      const { state, order } = play(plan, (choices) => (stream.next().value ?? 0) % choices);
      expect(state.end).toEqual({ status: 'completed', output: inline('z') });
      expect([...order].sort()).toEqual(['a', 'b', 'c', 'd', 'j', 'z']);
      expect(order.slice(-2)).toEqual(['j', 'z']);
      expect(JSON.parse(JSON.stringify(state))).toEqual(state);
    }),
  );
});
