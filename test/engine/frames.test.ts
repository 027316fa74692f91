import { expect, test } from '@jest/globals';
import type { Plan, PlanNode } from '../../workflows/definition/plan.js';
import { inline, jsonOf, textOf, type Json } from '../../workflows/definition/values.js';
import type { RunState, Visit } from '../../workflows/engine/state.js';
import { buildPlan, agent, edge, join, node, pass } from '../support/plans.js';
import { happening, inOrder, moveBody, play, shuffled, type Outcome } from './driver.js';
import { checkLaws } from './laws.js';

const within = (owner: string, each: PlanNode): PlanNode => ({ ...each, within: owner });
const map = (id: string, entry: string, more: object = {}): PlanNode =>
  node('map', id, { items: 'input', entry, ...more });

interface Scene {
  readonly plan: Plan;
  readonly items?: readonly Json[];
  readonly rounds?: number;
  readonly answer?: (visit: Visit) => Outcome;
  readonly pick?: (choices: number) => number;
}

/** Every node hands its input on, unless the scene answers for it. */
function run({ plan, items = [], rounds = 0, answer, pick = inOrder }: Scene) {
  const bodies = { itemsOf: () => items.map(inline), goesOn: (_visit: Visit, round: number) => round < rounds };
  const next = (state: RunState, visit: Visit) => {
    const move = moveBody({ plan }, state, visit);
    const handsOn: Outcome = { type: 'output', output: visit.input };
    const outcome = move === null ? (answer?.(visit) ?? handsOn) : move(bodies);
    return outcome === null ? null : happening({ plan }, visit, outcome);
  };
  const played = play({ plan, input: inline('in'), next, pick, limit: 200_000 });
  checkLaws(plan, played);
  const { end } = played.state;
  return { ...played, end, output: end?.status === 'completed' ? jsonOf(end.output) : undefined };
}

const bad = (message: string): Outcome => ({ type: 'error', error: { type: 'test', message } });

test('the results of a map are in the order of its items, whatever comes first', () => {
  const plan = buildPlan(
    [map('m', 'a', { concurrency: 3 }), within('m', agent('a')), within('m', agent('b'))],
    [edge('a', 'b')],
  );
  for (const seed of [1, 2, 3, 4])
    expect(run({ plan, items: [1, 2, 3, 4, 5, 6, 7], pick: shuffled(seed) }).output).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(run({ plan, items: [] }).output).toEqual([]);
});

test('an item that fails fails the map and stops the others; or it becomes an error among the results', () => {
  const answer = (visit: Visit): Outcome =>
    jsonOf(visit.input) === 2 ? bad('two') : { type: 'output', output: visit.input };
  const plan = (on_item_error: string) => buildPlan([map('m', 'a', { on_item_error }), within('m', agent('a'))], []);
  const failed = run({ plan: plan('fail'), items: [1, 2, 3], answer });
  expect(failed.end).toEqual({ status: 'failed', error: { type: 'test', message: 'two', node_id: 'a' } });
  expect(failed.state).toMatchObject({ open: {}, frames: {}, groups: {} });
  const gone = run({ plan: plan('continue'), items: [1, 2, 3], answer });
  expect(gone.output).toEqual([1, { error: { type: 'test', message: 'two', node_id: 'a' } }, 3]);
});

test('a map that fails follows its own policy', () => {
  const plan = buildPlan(
    [
      node('map', 'm', { items: 'input', entry: 'a' }, { policy: { onError: { action: 'route' } } }),
      within('m', agent('a')),
      agent('mend'),
    ],
    [edge('m', 'mend', { port: 'error' })],
  );
  const answer = (visit: Visit): Outcome =>
    visit.nodeId === 'a' ? bad('no') : { type: 'output', output: inline('mended') };
  expect(run({ plan, items: [1], answer }).output).toBe('mended');
});

test('a parked map starts its items anew, under the same keys', () => {
  const plan = buildPlan(
    [
      node('map', 'm', { items: 'input', entry: 'a' }, { policy: { onError: { action: 'park' } } }),
      within('m', agent('a')),
    ],
    [],
  );
  let tries = 0;
  const next = (state: RunState, visit: Visit) => {
    if (state.parked['m/1'] !== undefined) return happening({ plan }, visit, { type: 'unpark' });
    if (visit.nodeId === 'm') {
      const outcome = moveBody({ plan }, state, visit)?.({ itemsOf: () => [inline(1)], goesOn: () => false }) ?? null;
      return outcome === null ? null : happening({ plan }, visit, outcome);
    }
    tries += 1;
    return happening({ plan }, visit, tries === 1 ? bad('once') : { type: 'output', output: inline('done') });
  };
  const { state } = play({ plan, input: inline('in'), next, pick: inOrder });
  expect(state.end).toEqual({ status: 'completed', output: inline(['done']) });
});

test('a loop goes on with the output of its last round, and not at all when its condition never holds', () => {
  const plan = buildPlan([node('loop', 'l', { entry: 'a' }), within('l', agent('a'))], []);
  const answer = (visit: Visit): Outcome => ({
    type: 'output',
    output: inline(`${textOf(jsonOf(visit.input) ?? null)}+`),
  });
  expect(run({ plan, rounds: 3, answer }).output).toBe('in+++');
  expect(run({ plan, rounds: 0, answer }).output).toBe('in');
});

test('a join in a body waits for the sides of its own item', () => {
  const bodyOf = (need: 'all' | number): Plan =>
    buildPlan(
      [map('m', 's'), ...[pass('s'), agent('a'), agent('b'), join('j', need)].map((each) => within('m', each))],
      [edge('s', 'a'), edge('s', 'b'), edge('a', 'j'), edge('b', 'j')],
    );
  for (const seed of [1, 2, 3]) {
    const pick = shuffled(seed);
    expect(run({ plan: bodyOf('all'), items: [1, 2], pick }).output).toEqual(
      [1, 2].map((each) => ({ a: each, b: each })),
    );
    const first = run({ plan: bodyOf(1), items: [1, 2], pick });
    expect(first.output).toHaveLength(2);
    expect(first.happenings.filter((what) => what.type === 'start' && what.visit.nodeId === 'j')).toHaveLength(2);
  }
});

test('maps in maps give lists of lists', () => {
  const plan = buildPlan([map('m', 'i'), within('m', map('i', 'a')), within('i', agent('a'))], []);
  expect(run({ plan, items: [1, 2], pick: shuffled(3) }).output).toEqual([
    [1, 2],
    [1, 2],
  ]);
});

test('a map holds its mutex for its body', () => {
  const plan = buildPlan(
    [
      pass('s'),
      { ...map('m', 'a'), mutex: 'x' },
      { ...within('m', agent('a')), mutex: 'x' },
      { ...agent('b'), mutex: 'x' },
    ],
    [edge('s', 'm'), edge('s', 'b')],
  );
  const { happenings, output } = run({ plan, items: [1, 2] });
  expect(output).toEqual({ m: [1, 2], b: 'in' });
  expect(happenings.flatMap((what) => (what.type === 'leave' ? [what.visit.nodeId] : []))).toEqual([
    's',
    'a',
    'a',
    'm',
    'b',
  ]);
});

test('a map of five thousand items and a plan of five hundred nodes are walked through step by step', () => {
  const body = ['a', 'b', 'c'].map((id) => within('m', agent(id)));
  const plan = buildPlan([map('m', 'a', { concurrency: 50 }), ...body], [edge('a', 'b'), edge('b', 'c')]);
  const items = Array.from({ length: 5_000 }, (_, index) => index);
  const answer = (visit: Visit): Outcome => ({ type: 'output', output: visit.input });
  expect(count(plan, { items, answer })).toBe(5_000 * 3 + 1);
  const ids = Array.from({ length: 498 }, (_, index) => `n${index}`);
  const wide = buildPlan(
    [pass('s'), ...ids.map((id) => agent(id)), join('j')],
    ids.flatMap((id) => [edge('s', id), edge(id, 'j')]),
  );
  expect(count(wide, { items, answer })).toBe(500);
});

/** The visits of a run; without the laws, which look at everything after every step. */
function count(
  plan: Plan,
  { items, answer }: { readonly items: readonly Json[]; readonly answer: (visit: Visit) => Outcome },
): number {
  const bodies = { itemsOf: () => items.map(inline), goesOn: () => false };
  const next = (state: RunState, visit: Visit) => {
    const move = moveBody({ plan }, state, visit);
    const outcome = move === null ? answer(visit) : move(bodies);
    return outcome === null ? null : happening({ plan }, visit, outcome);
  };
  const { happenings } = play({ plan, input: inline('in'), next, pick: inOrder, limit: 200_000, keepsStates: false });
  return happenings.filter(({ type }) => type === 'start').length;
}
