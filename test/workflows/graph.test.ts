import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { waitToken } from '../../workflows/contract/ids.js';
import { raiseEvent, resolveWait, takeTurn, type Turn } from '../../workflows/contract/messages.js';
import { inline, jsonOf, type Json, type Value } from '../../workflows/definition/values.js';
import {
  event,
  faultyMapPlan,
  graphScenes,
  mapPlan,
  movablePlan,
  quorumPlan,
  subflowPlan,
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
