import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { waitToken } from '../../workflows/contract/ids.js';
import {
  moveVersion,
  pauseRun,
  raiseEvent,
  resolveWait,
  retryNode,
  takeTurn,
  type Turn,
} from '../../workflows/contract/messages.js';
import { inline, jsonOf, type Json, type Value } from '../../workflows/definition/values.js';
import {
  event,
  eventPlan,
  faultyMapPlan,
  graphScenes,
  mapPlan,
  movablePlan,
  movedPlan,
  misfitPlan,
  parkPlan,
  quorumPlan,
  subflowPlan,
  talkPlan,
  waiting,
} from '../support/graph-scenes.js';
import { agent, buildPlan, delay, edge, join, linePlan, node, pass } from '../support/plans.js';
import { causeOf, decide, openStage, toEnd, toFailure, type Heard, type Scene, type Stage } from '../support/play.js';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
}, 120_000);
afterAll(() => stage.close());

const scene = (name: string): Scene => {
  const found = graphScenes[name];
  if (found === undefined) throw new Error(`no scene ${name}`);
  return found;
};
const playScene = (name: string, more: Partial<Scene> = {}): Promise<Heard> => stage.play({ ...scene(name), ...more });

const ran = (heard: Heard): readonly string[] => heard.segments.flat().sort();
const outputOf = ({ end }: Heard): Json | undefined =>
  end?.status === 'completed' ? jsonOf(end.output as Value) : undefined;
const stepsOf = (heard: Heard) => heard.flushes.flatMap((flush) => flush.steps);

describe.each([0, 100])('with %d runs in the cache', (maxCachedWorkflows) => {
  test('a map runs its body once an item and keeps the order', async () => {
    const heard = await playScene('map', { maxCachedWorkflows });
    expect(ran(heard)).toEqual([0, 1, 2, 3, 4].map((index) => `each/1/${index}/charge/1`));
    expect(outputOf(heard)).toEqual({ count: 5 });
  });

  test('a loop goes round while its condition holds, over continue-as-new as well', async () => {
    for (const name of ['loop', 'loop-continued-as-new']) {
      const heard = await playScene(name, { maxCachedWorkflows });
      expect(ran(heard)).toEqual(['after/1', 'again/1/0/work/1', 'again/1/1/work/1', 'again/1/2/work/1']);
    }
  });

  test('a subflow is a run of its own whose output goes on', async () => {
    const heard = await playScene('subflow', { maxCachedWorkflows });
    expect(ran(heard)).toEqual(['after/1', 'inner/1']);
    const [step] = stepsOf(heard).filter((each) => each.nodeId === 'call' && each.status === 'completed');
    expect(step?.output).toEqual(inline({ answer: 'inner done' }));
  });

  test('a conversation is turns of one run', async () => {
    const turns: Turn[] = [];
    await playScene('conversation', {
      maxCachedWorkflows,
      act: async ({ handle }) => {
        turns.push(await handle.executeUpdate(takeTurn, { args: [{ message: null, text: null }] }));
        for (const text of ['hi', 'and bye']) {
          turns.push(await handle.executeUpdate(takeTurn, { args: [{ message: inline({ text }), text }] }));
        }
        await handle.result();
      },
    });
    expect(turns.map((turn) => turn.said.map(({ text }) => text))).toEqual([
      ['Hello'],
      ['root done'],
      ['root done', 'Goodbye, and bye'],
    ]);
    expect(turns.map((turn) => turn.status)).toEqual(['waiting', 'waiting', 'completed']);
    expect(turns[1]?.trace).toContainEqual({
      type: 'workflow.node.route',
      node_id: 'root',
      to: 'root.listen',
      label: null,
    });
  });
});

describe('maps', () => {
  test('an item that fails fails the map and stops the others', async () => {
    const heard = await playScene('map-item-fails');
    expect(heard.end).toMatchObject({ status: 'failed', error: { type: 'http_status', node_id: 'bad' } });
    expect(heard.segments.flat()).not.toContain('after/1');
  });

  test('or becomes an error among the results', async () => {
    const heard = await playScene('map-item-continues');
    const [step] = stepsOf(heard).filter((each) => each.key === 'each/1' && each.status === 'completed');
    expect(jsonOf(step?.output ?? inline(null))).toMatchObject([
      'good done',
      { error: { node_id: 'bad' } },
      'good done',
    ]);
  });

  test('of nothing gives an empty list', async () => {
    const heard = await stage.play({ plan: mapPlan, act: toEnd, input: { input: inline({ orders: [] }) } });
    expect(outputOf(heard)).toEqual({ count: 0 });
  });

  test('of what is no list fails with a sentence', async () => {
    const heard = await stage.play({ plan: mapPlan, act: toFailure, input: { input: inline({ orders: 7 }) } });
    expect(heard.end).toMatchObject({ status: 'failed', error: { type: 'expression_failed', node_id: 'each' } });
  });

  test('a hundred items over several executions', async () => {
    const items = Array.from({ length: 100 }, (_, index) => index);
    const heard = await stage.play({
      plan: faultyMapPlan('continue'),
      act: toEnd,
      input: { input: inline(items), maxHistoryEvents: 150 },
    });
    expect(heard.segments.flat().filter((key) => key.includes('/good/'))).toHaveLength(99);
    expect(new Set(heard.segments.flat()).size).toBe(heard.segments.flat().length);
  });
});

describe('subflows', () => {
  test("a child's failure is the node's", async () => {
    const heard = await playScene('subflow-fails');
    expect(heard.end).toMatchObject({ status: 'failed', error: { type: 'http_status' } });
  });

  test('one that is not there fails the node', async () => {
    const heard = await stage.play({ plan: subflowPlan, act: toFailure });
    expect(heard.end).toMatchObject({ status: 'failed', error: { type: 'subflow_missing', node_id: 'call' } });
  });

  test('a detached one is started and not waited for', async () => {
    const heard = await playScene('subflow-detached');
    const [step] = stepsOf(heard).filter((each) => each.key === 'call/1' && each.status === 'completed');
    expect(step?.output).toMatchObject({ json: { run_id: expect.stringContaining('call-1') } });
  });

  test('a waiting child hears of the cancellation of its parent', async () => {
    const heard = await stage.play({
      plan: subflowPlan,
      definitions: { child: movablePlan },
      act: async (played) => {
        await waiting(played);
        await played.handle.cancel();
        await toFailure(played);
      },
    });
    expect(heard.ends.map((end) => end.status)).toEqual(['cancelled', 'cancelled']);
  });

  test('the parent hears of its child after it has continued as new', async () => {
    const plan = buildPlan(
      [pass('s'), node('subflow', 'call', { definition: 'child' }), agent('a'), agent('b'), agent('c'), join('j')],
      [edge('s', 'call'), edge('s', 'a'), edge('a', 'b'), edge('b', 'c'), edge('c', 'j'), edge('call', 'j')],
    );
    const heard = await stage.play({
      plan,
      definitions: { child: linePlan(delay('later', 3_600), agent('inner')) },
      input: { maxHistoryEvents: 20 },
      act: toEnd,
    });
    expect(outputOf(heard)).toMatchObject({ call: 'inner done', c: 'c done' });
  });
});

describe('approvals', () => {
  const vote = (token: string, by: string, decision: 'approve' | 'reject' = 'approve') => {
    const [request] = decide(decision, token).args;
    return { args: [{ ...request, by, as: [by] }] as [typeof request] };
  };

  test('a quorum takes different people of the audience, and not whoever started the run', async () => {
    const refused: unknown[] = [];
    const heard = await stage.play({
      plan: quorumPlan,
      input: { startedBy: 'cy' },
      act: async ({ handle, runId, ...played }) => {
        const token = waitToken(runId, 'ask/1');
        await waiting({ handle, runId, ...played });
        const first = await handle.executeUpdate(resolveWait, vote(token, 'ana'));
        expect(first).toMatchObject({ settlement: null, status: 'waiting', wait: { votes: [{ by: 'ana' }] } });
        for (const by of ['ana', 'cy', 'dan'])
          refused.push(await causeOf(handle.executeUpdate(resolveWait, vote(token, by))));
        await handle.executeUpdate(resolveWait, vote(token, 'ben'));
        await handle.result();
      },
    });
    expect(refused).toMatchObject([{ type: 'WaitForbidden' }, { type: 'WaitForbidden' }, { type: 'WaitForbidden' }]);
    expect(ran(heard)).toEqual(['paid/1']);
    const settlements = heard.flushes.flatMap((flush) => flush.settlements);
    expect(settlements).toMatchObject([{ outcome: 'approved', votes: [{ by: 'ana' }, { by: 'ben' }] }]);
  });

  test('a rejection takes its own way', async () => {
    const heard = await stage.play({
      plan: quorumPlan,
      act: async (played) => {
        await waiting(played);
        await played.handle.executeUpdate(resolveWait, vote(waitToken(played.runId, 'ask/1'), 'ana', 'reject'));
        await toEnd(played);
      },
    });
    expect(ran(heard)).toEqual(['refused/1']);
  });

  test('reminds, escalates, and expires as it is told', async () => {
    const heard = await playScene('approval-escalates');
    expect(heard.alarms.map(({ isEscalation }) => isEscalation)).toEqual([false, false, true]);
    expect(heard.alarms.at(-1)?.audience).toEqual(['ana', 'boss']);
    expect(ran(heard)).toEqual(['paid/1']);
    const settlements = heard.flushes.flatMap((flush) => flush.settlements);
    expect(settlements).toMatchObject([{ outcome: 'expired' }]);
  });

  test('a deadline of the node takes its error route', async () => {
    expect(ran(await playScene('wait-deadline'))).toEqual(['late/1']);
  });
});

describe('events', () => {
  test('the one with the right key goes on, once', async () => {
    const heard = await playScene('event-in-time');
    expect(ran(heard)).toEqual(['ship/1']);
    const [step] = stepsOf(heard).filter((each) => each.key === 'paid/1' && each.status === 'completed');
    expect(step).toMatchObject({ output: inline({ id: 'e-1' }), decidedBy: 'event:e-1' });
  });

  test('one that never comes takes the timeout way', async () => {
    expect(ran(await playScene('event-too-late'))).toEqual(['remind/1']);
  });

  test('one that came before the run waited for it is kept', async () => {
    const plan = linePlan(agent('a'), node('wait_event', 'paid', { name: 'payment' }), agent('ship'));
    const heard = await stage.play({
      plan,
      act: async ({ handle }) => {
        await handle.signal(raiseEvent, event('early', null));
        await handle.result();
      },
    });
    expect(ran(heard)).toEqual(['a/1', 'ship/1']);
  });

  test('two waits of one run take two events', async () => {
    const plan = buildPlan(
      [
        pass('s'),
        node('wait_event', 'one', { name: 'payment' }),
        node('wait_event', 'two', { name: 'payment' }),
        join('j'),
      ],
      [edge('s', 'one'), edge('s', 'two'), edge('one', 'j'), edge('two', 'j')],
    );
    const heard = await stage.play({
      plan,
      act: async (played) => {
        await waiting(played, 2);
        for (const id of ['x', 'x', 'y']) await played.handle.signal(raiseEvent, event(id, null));
        await toEnd(played);
      },
    });
    expect(outputOf(heard)).toEqual({ one: { id: 'x' }, two: { id: 'y' } });
  });
});

describe('failures', () => {
  test('a parked step waits, and goes on when it is retried with a change', async () => {
    const heard = await playScene('parked-retried', { mended: ['bad'] });
    expect(heard.segments.flat()).toEqual(['bad/1', 'bad/1', 'after/1']);
    expect(heard.steps.map(({ round }) => round)).toEqual([0, 1, 0]);
    expect(heard.steps[1]?.node.config).toMatchObject({ instructions: 'mended' });
    expect(stepsOf(heard).find((each) => each.key === 'bad/1')?.status).toBe('parked');
  });

  test('retrying what is not parked is refused by name', async () => {
    let cause: unknown;
    await stage.play({
      plan: parkPlan,
      act: async (played) => {
        await waiting(played);
        const request = { nodeId: 'after', patch: null, by: 'ana' };
        cause = await causeOf(played.handle.executeUpdate(retryNode, { args: [request] }));
        await played.handle.executeUpdate(resolveWait, decide('reject', waitToken(played.runId, 'bad/1')));
        await toFailure(played);
      },
    });
    expect(cause).toMatchObject({ type: 'NotParked' });
  });

  test('an effect of unknown outcome is asked about, and what the person says goes on', async () => {
    const plan = linePlan(agent('unknown'), agent('after'));
    const heard = await stage.play({
      plan,
      act: async (played) => {
        await waiting(played);
        await played.handle.executeUpdate(
          resolveWait,
          decide('approve', waitToken(played.runId, 'unknown/1'), 'it did'),
        );
        await toEnd(played);
      },
    });
    expect(heard.segments.flat()).toEqual(['unknown/1', 'after/1']);
    const again = await stage.play({
      plan,
      mended: ['unknown'],
      act: async (played) => {
        await waiting(played);
        await played.handle.executeUpdate(resolveWait, decide('reject', waitToken(played.runId, 'unknown/1')));
        await toEnd(played);
      },
    });
    expect(again.steps.map(({ key, isUndone }) => [key, isUndone])).toEqual([
      ['unknown/1', false],
      ['unknown/1', true],
      ['after/1', false],
    ]);
  });

  test('what was done is undone in reverse', async () => {
    const heard = await playScene('undo');
    expect(heard.segments.flat()).toEqual(['reserve/1', 'charge/1', 'bad/1', 'refund/1', 'release/1']);
    expect(heard.end).toMatchObject({ status: 'failed', error: { node_id: 'bad' } });
    expect(jsonOf(heard.inputs['refund/1'] ?? inline(null))).toEqual({ input: 'reserve done', output: 'charge done' });
  });

  test('cancelling a waiting run undoes it as well', async () => {
    const plan = buildPlan(
      [{ ...agent('reserve'), undo: 'release' }, node('approval', 'ask', { prompt: '?' }), agent('release')],
      [edge('reserve', 'ask')],
    );
    const heard = await stage.play({
      plan,
      act: async (played) => {
        await waiting(played);
        await played.handle.cancel();
        await toFailure(played);
      },
    });
    expect(heard.segments.flat()).toEqual(['reserve/1', 'release/1']);
    expect(heard.end).toMatchObject({ status: 'cancelled' });
  });

  test('in the middle of a run only what is named is undone', async () => {
    const plan = buildPlan(
      [
        { ...agent('reserve'), undo: 'release' },
        { ...agent('charge'), undo: 'refund' },
        node('compensate', 'back', { nodes: ['reserve'] }),
        agent('after'),
        agent('release'),
        agent('refund'),
      ],
      [edge('reserve', 'charge'), edge('charge', 'back'), edge('back', 'after')],
    );
    const heard = await stage.play({ plan, act: toEnd });
    expect(heard.segments.flat()).toEqual(['reserve/1', 'charge/1', 'release/1', 'after/1']);
  });
});

describe('what somebody does to a run', () => {
  test('paused, nothing new starts', async () => {
    const heard = await stage.play({
      plan: movablePlan,
      act: async (played) => {
        const { handle, runId } = played;
        await waiting(played);
        await expect(handle.executeUpdate(pauseRun, { args: [{ paused: true, by: 'ana' }] })).resolves.toMatchObject({
          status: 'paused',
        });
        await handle.executeUpdate(resolveWait, decide('approve', waitToken(runId, 'ok/1'), 'yes'));
        expect(heardSegments(played.heard)).toEqual([]);
        const cause = await causeOf(handle.executeUpdate(pauseRun, { args: [{ paused: true, by: 'ana' }] }));
        expect(cause).toMatchObject({ type: 'NothingToChange' });
        await handle.executeUpdate(pauseRun, { args: [{ paused: false, by: 'ana' }] });
        await toEnd(played);
      },
    });
    expect(heardSegments(heard)).toEqual(['old/1']);
    expect(heard.flushes.map((flush) => flush.status)).toContain('paused');
  });

  const heardSegments = (heard: Heard): readonly string[] => heard.segments.flat();

  test('moved to a version that fits, it goes on by that', async () => {
    const heard = await stage.play({
      plan: movablePlan,
      definitions: { next: movedPlan, misfit: misfitPlan },
      act: async (played) => {
        const { handle, runId } = played;
        await waiting(played);
        const misfit = await handle.executeUpdate(moveVersion, { args: [{ versionId: 'misfit', by: 'ana' }] });
        expect(misfit).toMatchObject({ moved: false, reasons: [expect.stringContaining('"ok"')] });
        const fit = await handle.executeUpdate(moveVersion, { args: [{ versionId: 'next', by: 'ana' }] });
        expect(fit).toEqual({ moved: true });
        await handle.executeUpdate(resolveWait, decide('approve', waitToken(runId, 'ok/1'), 'yes'));
        await toEnd(played);
      },
    });
    expect(ran(heard)).toEqual(['new/1']);
    expect(heard.versions).toEqual(['next']);
  });

  test('an answer given on the way is told at once', async () => {
    const heard = await playScene('respond');
    expect(heard.flushes.find((flush) => flush.response !== undefined)?.response).toEqual(inline({ ok: true }));
    expect(ran(heard)).toEqual(['after/1']);
  });

  test('a race goes on with its winner and withdraws the rest', async () => {
    const heard = await playScene('race-withdraws');
    expect(ran(heard)).toEqual(['z/1']);
    expect(
      stepsOf(heard)
        .filter(({ nodeId }) => nodeId === 'slow')
        .at(-1),
    ).toMatchObject({ status: 'cancelled' });
    expect(heard.flushes.flatMap((flush) => flush.settlements)).toMatchObject([{ outcome: 'cancelled' }]);
  });

  test('pinned results stand in for the work, and effects are held back', async () => {
    const plan = linePlan(agent('a'), node('approval', 'ask', { prompt: '?' }), agent('b'));
    const heard = await stage.play({
      plan,
      input: { test: { pins: { a: { pinned: 1 }, ask: 'sure' }, live: [] } },
      act: toEnd,
    });
    expect(heard.steps.map(({ pinned, isStubbed }) => [pinned, isStubbed])).toEqual([
      [{ pinned: 1 }, undefined],
      [undefined, true],
    ]);
    expect(heard.waits).toEqual([]);
  });

  test('recorded results of an earlier run are used again', async () => {
    const plan = linePlan(agent('a'), node('approval', 'ask', { prompt: '?' }), agent('b'));
    const heard = await stage.play({
      plan,
      input: { reuses: true },
      reuse: { 'a/1': { output: inline('was'), port: 'out' }, 'ask/1': { output: inline('ok'), port: 'approved' } },
      act: toEnd,
    });
    expect(ran(heard)).toEqual(['b/1']);
    expect(heard.waits).toEqual([]);
    expect(stepsOf(heard).map(({ key, decidedBy }) => [key, decidedBy])).toContainEqual(['a/1', 'system:reused']);
  });
});
