import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { reuseFrom } from '../../db/reuse.js';
import { selectReuse, type PastStep } from '../../db/reuse-selection.js';
import { beginStep, endStep, writeEnd, writeFlush } from '../../db/run-records.js';
import { insertRun, queuedRun, reuseOf } from '../../db/runs.js';
import { loadValue } from '../../db/values.js';
import type { Database } from '../../db/client.js';
import { visitKey } from '../../workflows/contract/ids.js';
import type { RunRef, StepStatus } from '../../workflows/contract/run.js';
import { defaultPolicy, type Plan, type PlanNode } from '../../workflows/definition/plan.js';
import { inline, type Json, type Value } from '../../workflows/definition/values.js';
import { testDatabase, type TestDatabase } from '../support/database.js';
import { agent, buildPlan, edge, linePlan, pass } from '../support/plans.js';
import { newRunRef, noFlush, seedRun, seedWorkspaces, stepRecord } from '../support/runs.js';

const firstPage = { after: null, limit: 100 };

const base = (id: string) => ({ id, label: id, dialectKind: id, policy: defaultPolicy });
const map = (id: string, entry: string): PlanNode => ({
  ...base(id),
  kind: 'map',
  config: { items: 'input', entry, concurrency: 10, on_item_error: 'fail' },
});
const loop = (id: string, entry: string): PlanNode => ({
  ...base(id),
  kind: 'loop',
  config: { entry, max_iterations: 9 },
});
const within = (node: PlanNode, owner: string): PlanNode => ({ ...node, within: owner });

/** `charge/1`, or `each/1/3/charge/1`. */
function step(key: string, seq: number, more: Partial<PastStep> = {}): PastStep {
  const parts = key.split('/');
  const [nodeId = '', visit = '1'] = parts.slice(-2);
  const place = { scope: parts.slice(0, -2).join('/'), nodeId, visit: Number(visit) };
  expect(visitKey(place)).toBe(key);
  return { key, ...place, seq, status: 'completed', ...more };
}

const select = (plan: Plan, steps: readonly PastStep[], from: string): readonly string[] => {
  const start = steps.find(({ key }) => key === from);
  if (start === undefined) throw new Error(`no step ${from}`);
  return selectReuse(plan, steps, start).toSorted();
};

describe('what is reused', () => {
  test('of a line is all before the step it goes on from', () => {
    const plan = linePlan(agent('a'), agent('b'), agent('c'));
    const steps = [step('a/1', 1), step('b/1', 2), step('c/1', 3)];
    expect(select(plan, steps, 'b/1')).toEqual(['a/1']);
    expect(select(plan, steps, 'a/1')).toEqual([]);
  });

  test('of parallel paths is also what came later on another', () => {
    const plan = buildPlan(
      [pass('s'), agent('a'), agent('b'), agent('b2'), agent('z')],
      [edge('s', 'a'), edge('s', 'b'), edge('b', 'b2'), edge('a', 'z'), edge('b2', 'z')],
    );
    const steps = [step('s/1', 1), step('a/1', 2), step('b/1', 3), step('b2/1', 5), step('z/1', 7)];
    expect(select(plan, steps, 'a/1')).toEqual(['b/1', 'b2/1']);
  });

  test('of a circle is only its rounds before', () => {
    const plan = buildPlan([agent('a'), agent('b')], [edge('a', 'b'), edge('b', 'a')]);
    const steps = [step('a/1', 1), step('b/1', 2), step('a/2', 3), step('b/2', 4), step('a/3', 5)];
    expect(select(plan, steps, 'a/2')).toEqual(['a/1', 'b/1']);
  });

  const around = (owner: PlanNode) =>
    buildPlan(
      [agent('first'), owner, within(agent('x'), 'each'), within(agent('y'), 'each'), agent('last')],
      [edge('first', 'each'), edge('x', 'y'), edge('each', 'last')],
    );
  const itemised = [
    step('first/1', 1),
    step('each/1', 2),
    step('each/1/0/x/1', 3),
    step('each/1/1/x/1', 4),
    step('each/1/1/y/1', 5),
    step('each/1/0/y/1', 6),
    step('each/1/2/x/1', 7),
    step('last/1', 9),
  ];

  test('of a map is every other item, and of a loop every round before', () => {
    expect(select(around(map('each', 'x')), itemised, 'each/1/1/x/1')).toEqual([
      'each/1/0/x/1',
      'each/1/0/y/1',
      'each/1/2/x/1',
      'first/1',
    ]);
    expect(select(around(loop('each', 'x')), itemised, 'each/1/1/x/1')).toEqual([
      'each/1/0/x/1',
      'each/1/0/y/1',
      'first/1',
    ]);
    expect(select(around(map('each', 'x')), itemised, 'each/1')).toEqual(['first/1']);
    expect(select(around(map('each', 'x')), itemised, 'first/1')).toEqual([]);
    expect(select(around(map('each', 'x')), itemised, 'last/1')).toHaveLength(6);
  });

  test('is nothing that was undone or that undoes, nor what depends on it', () => {
    const undoable = (id: string): PlanNode => ({ ...agent(id), undo: 'refund' });
    const plan = buildPlan(
      [agent('a'), undoable('pay'), undoable('ship'), agent('z'), agent('refund')],
      [edge('a', 'pay'), edge('a', 'ship'), edge('ship', 'z')],
    );
    const value = (text: string): Value => inline(text);
    const steps = [
      step('a/1', 1),
      step('pay/1', 2, { input: value('in'), output: value('paid') }),
      step('ship/1', 3, { input: value('in'), output: value('shipped') }),
      step('z/1', 4, { status: 'failed' }),
    ];
    expect(select(plan, steps, 'z/1')).toEqual(['a/1', 'pay/1', 'ship/1']);
    const refund = step('refund/1', 5, { input: { parts: { input: value('in'), output: value('paid') } } });
    expect(select(plan, [...steps, refund], 'z/1')).toEqual(['a/1', 'ship/1']);
    expect(select(plan, [...steps, { ...refund, status: 'failed' }], 'z/1')).toEqual(['a/1', 'pay/1', 'ship/1']);
    expect(select(plan, [...steps, { ...refund, input: null }], 'z/1')).toEqual(['a/1', 'pay/1']);
  });
});

const NODES = ['a', 'b', 'c', 'd', 'e', 'f'] as const;
const statuses: readonly StepStatus[] = ['completed', 'completed', 'completed', 'failed', 'cancelled', 'parked'];

interface Past {
  readonly plan: Plan;
  readonly steps: readonly PastStep[];
  readonly from: PastStep;
}

/** Any graph, and any order in which its nodes were visited. */
const past: fc.Arbitrary<Past> = fc
  .record({
    edges: fc.array(fc.tuple(fc.constantFrom(...NODES), fc.constantFrom(...NODES)), { maxLength: 10 }),
    visits: fc.array(fc.tuple(fc.constantFrom(...NODES), fc.constantFrom(...statuses)), {
      minLength: 1,
      maxLength: 14,
    }),
    at: fc.nat(),
  })
  .map(({ edges, visits, at }) => {
    const counts = new Map<string, number>();
    const steps = visits.map(([nodeId, status], seq) => {
      const visit = (counts.get(nodeId) ?? 0) + 1;
      counts.set(nodeId, visit);
      return step(`${nodeId}/${visit}`, seq, { status });
    });
    const plan = buildPlan(
      NODES.map((id) => agent(id)),
      edges.map(([from, to]) => edge(from, to)),
    );
    const from = steps[at % steps.length];
    if (from === undefined) throw new Error('no step');
    return { plan, steps, from };
  });

/** By Warshall's rule, to be independent of how it is walked. */
function reaches({ edges }: Plan): (from: string, to: string) => boolean {
  const pairs = new Set(edges.map(({ from, to }) => `${from}>${to}`));
  for (const via of NODES) {
    const before = NODES.filter((from) => pairs.has(`${from}>${via}`));
    const after = NODES.filter((to) => pairs.has(`${via}>${to}`));
    for (const from of before) for (const to of after) pairs.add(`${from}>${to}`);
  }
  return (from, to) => pairs.has(`${from}>${to}`);
}

test('for any graph, exactly the completed steps are reused that do not depend on the one it goes on from', () => {
  fc.assert(
    fc.property(past, ({ plan, steps, from }) => {
      const depends = reaches(plan);
      const wanted = steps.filter(
        (each) =>
          each.status === 'completed' &&
          each.key !== from.key &&
          !(each.seq > from.seq && depends(from.nodeId, each.nodeId)),
      );
      expect(selectReuse(plan, steps, from)).toEqual(wanted.map(({ key }) => key));
    }),
  );
});

test('for any graph in a map, other items are reused whole and what comes after the map is not', () => {
  fc.assert(
    fc.property(past, fc.nat({ max: 3 }), ({ plan, steps, from }, item) => {
      const nodes = [map('each', 'a'), agent('after'), ...NODES.map((id) => within(agent(id), 'each'))];
      const outer = buildPlan(nodes, [edge('each', 'after'), ...plan.edges]);
      const inItem = (index: number) =>
        steps.map((each) => step(`each/1/${index}/${each.key}`, each.seq + 1, { status: each.status }));
      const all = [step('each/1', 0), ...[0, 1, 2, 3].flatMap(inItem), step('after/1', 1_000)];
      const reused = select(outer, all, `each/1/${item}/${from.key}`);
      const own = selectReuse(plan, steps, from).map((key) => `each/1/${item}/${key}`);
      const others = [0, 1, 2, 3]
        .filter((index) => index !== item)
        .flatMap((index) => inItem(index).filter(({ status }) => status === 'completed'));
      expect(reused).toEqual([...own, ...others.map(({ key }) => key)].toSorted());
    }),
  );
});

describe('a run that is continued', () => {
  let database: TestDatabase;
  let db: Database;
  const plan = linePlan(pass('in'), agent('a'), agent('b'), agent('c'));

  beforeAll(async () => {
    database = await testDatabase();
    ({ db } = database);
    await seedWorkspaces(db);
  }, 60_000);
  afterAll(() => database.close());

  async function act(
    run: RunRef,
    nodeId: string,
    more: { readonly seq: number; readonly output?: Json },
  ): Promise<void> {
    const key = `${nodeId}/1`;
    const start = { key, nodeId, visit: 1, scope: '', kind: 'agent', label: nodeId, input: inline('in'), round: 0 };
    await beginStep(db, run, { step: { ...start, seq: more.seq }, flush: noFlush });
    const { output } = more;
    const vars = { count: inline(more.seq), long: inline('v'.repeat(6_000)) };
    const end = { key, error: null, failed: false, finished: null, cost: null, decidedBy: null, vars };
    if (output === undefined) await endStep(db, run, { ...end, status: 'failed', output: null });
    else await endStep(db, run, { ...end, status: 'completed', output: inline(output) });
  }

  test('starts with what the run before gave, large results by reference', async () => {
    const run = await seedRun(db, { plan });
    await writeFlush(db, run, { ...noFlush, steps: [stepRecord('in', 1, { output: inline('in') })], seq: 1 });
    await act(run, 'a', { seq: 2, output: 'y'.repeat(5_000) });
    await act(run, 'b', { seq: 3, output: { small: true } });
    await act(run, 'c', { seq: 4 });
    const next = newRunRef();
    const request = { workspaceId: 'ws_1', runId: run.runId, from: 'c', plan, newRunId: next.runId };
    expect(await reuseFrom(db, request)).toMatchObject({ problem: 'run_open' });
    await writeEnd(db, run, { flush: noFlush, end: { status: 'failed', error: { type: 'x', message: 'x' } } });
    const found = await reuseFrom(db, request);
    if ('problem' in found) throw new Error(found.message);
    expect(found.from).toBe('c/1');
    expect(found.reuse.map(({ key }) => key)).toEqual(['a/1', 'b/1']);
    const [a, b] = found.reuse;
    expect(b).toMatchObject({ output: inline({ small: true }), port: 'out', vars: { count: inline(3) } });
    expect(a?.output).toMatchObject({ bytes: 5_002 });
    expect(await loadValue(db, 'ws_1', a?.output ?? inline(null))).toBe('y'.repeat(5_000));
    expect(await loadValue(db, 'ws_1', a?.vars?.['long'] ?? inline(null))).toBe('v'.repeat(6_000));

    const origin = { kind: 'continue', run_id: run.runId, from: found.from } as const;
    const inserted = await insertRun(db, {
      ...{
        run: next,
        definition: null,
        kind: 'test',
        plan,
        input: inline('in'),
        trigger: 'continue',
        actor: 'usr_ana',
      },
      ...{ origin, reuse: found.reuse, tags: ['again'], isConversation: true, priority: 2 },
    });
    const input = { reuses: true, isConversation: true, priority: 2, startedBy: 'usr_ana' };
    expect(inserted).toMatchObject({ isNew: true, input });
    expect(await queuedRun(db, next)).toEqual(inserted.input);
    expect(await reuseOf(db, next, firstPage)).toEqual(expect.arrayContaining([...found.reuse]));
    expect(await reuseOf(db, { ...next, workspaceId: 'ws_2' }, firstPage)).toEqual([]);
    const [one, two] = [await reuseOf(db, next, { after: null, limit: 1 }), await reuseOf(db, next, firstPage)];
    expect(await reuseOf(db, next, { after: one[0]?.key ?? '', limit: 1 })).toEqual(two.slice(1));
    expect(await seedRun(db, { run: next, reuse: [] })).toEqual(next);
    expect(await reuseOf(db, next, firstPage)).toHaveLength(2);
  });

  test('from a step it never came to, or of another workspace, is refused with the reason', async () => {
    const run = await seedRun(db, { plan });
    const running = stepRecord('a', 2, { status: 'running', endedAt: null });
    await writeFlush(db, run, { ...noFlush, steps: [running], seq: 2 });
    await writeEnd(db, run, { flush: noFlush, end: { status: 'cancelled', error: null } });
    const request = { workspaceId: 'ws_1', runId: run.runId, plan };
    expect(await reuseFrom(db, { ...request, from: 'b' })).toMatchObject({ problem: 'step_unknown' });
    expect(await reuseFrom(db, { ...request, from: 'a' })).toEqual({ from: 'a/1', reuse: [] });
    const foreign = { ...request, workspaceId: 'ws_2', from: 'a' };
    expect(await reuseFrom(db, foreign)).toMatchObject({ problem: 'run_unknown' });
  });
});
