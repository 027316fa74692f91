import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { nodeFailed } from '../../activities/evaluate.js';
import { resolveWait, takeTurn } from '../../workflows/contract/messages.js';
import { classOfKind, type NodeKind } from '../../workflows/definition/plan.js';
import { inline, jsonOf, type Json, type Value } from '../../workflows/definition/values.js';
import { allScenes } from '../support/all-scenes.js';
import { activityKinds } from '../support/kind-scenes.js';
import { agent, linePlan, node } from '../support/plans.js';
import { causeOf, decide, openStage, toEnd, toFailure, until, type Heard, type Stage } from '../support/play.js';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
}, 120_000);
afterAll(() => stage.close());

async function play(name: string): Promise<Heard> {
  const scene = allScenes[name];
  if (scene === undefined) throw new Error(`no scene ${name}`);
  return stage.play(scene);
}

const segmentsOf = (heard: Heard): readonly string[] => heard.segments.flat();
const stepsOf = (heard: Heard) => heard.flushes.flatMap((flush) => flush.steps);
const lastOf = (heard: Heard, key: string) => stepsOf(heard).findLast((step) => step.key === key);
const outputOf = ({ end }: Heard): Json | undefined =>
  end?.status === 'completed' ? jsonOf(end.output as Value) : undefined;

test('every kind of node is in some scene', () => {
  const plans = Object.values(allScenes).map(({ plan }) => plan);
  const used = new Set(plans.flatMap(({ nodes }) => Object.values(nodes).map(({ kind }) => kind)));
  // -- reason: the keys of a record over kinds are kinds
  expect((Object.keys(classOfKind) as NodeKind[]).filter((kind) => !used.has(kind))).toEqual([]);
});

test('what activities do is one of them each, in order', async () => {
  const heard = await play('activity-kinds');
  expect(segmentsOf(heard)).toEqual(Object.keys(activityKinds.nodes).map((id) => `${id}/1`));
});

describe('ways', () => {
  test('all whose conditions hold are gone, and the join waits for no other', async () => {
    const heard = await play('multi-choice');
    expect(new Set(segmentsOf(heard))).toEqual(new Set(['large/1', 'urgent/1', 'z/1']));
  });

  test('a join of two of three goes on with two', async () => {
    const heard = await play('join-two-of-three');
    expect(segmentsOf(heard).at(-1)).toBe('z/1');
    expect(heard.inputs['z/1']).toEqual({ parts: { a: inline('a done'), b: inline('b done') } });
  });

  test('conditions read what their own node has just left', async () => {
    const heard = await play('conditions');
    expect(segmentsOf(heard)).toEqual(['rate/1', 'low/1']);
    expect(lastOf(heard, 'how/1')).toMatchObject({ taken: 'low' });
  });

  test('a failure takes the first error way whose condition holds', async () => {
    const heard = await play('failure-routed');
    expect(segmentsOf(heard)).toEqual(['bad/1', 'known/1']);
    expect(lastOf(heard, 'bad/1')).toMatchObject({ status: 'failed', port: 'error', taken: 'known' });
  });

  test('an end may end the whole run', async () => {
    const heard = await play('end-terminates');
    expect(outputOf(heard)).toEqual({ said: 'enough' });
    expect(lastOf(heard, 'slow/1')).toMatchObject({ status: 'cancelled' });
    expect(lastOf(heard, 'stop/1')).toMatchObject({ status: 'completed' });
  });

  test('a cancel node withdraws what others do', async () => {
    const heard = await play('cancel-node');
    expect(segmentsOf(heard)).toEqual(['z/1']);
    expect(lastOf(heard, 'slow/1')).toMatchObject({ status: 'cancelled', decidedBy: 'system:withdrawn' });
  });

  test('of one mutex one goes at a time', async () => {
    const heard = await play('mutex');
    expect(heard.flushes.some((flush) => flush.status === 'waiting')).toBe(true);
    expect(segmentsOf(heard)).toEqual(['two/1']);
  });
});

describe('time', () => {
  test.each(['until', 'until-past'])('%s', async (name) => {
    expect(segmentsOf(await play(name))).toEqual(['a/1']);
  });

  test('what is no time fails with a sentence', async () => {
    const heard = await play('until-wrong');
    expect(heard.end).toMatchObject({ status: 'failed', error: { type: 'config_invalid', node_id: 'then' } });
  });

  test.each([
    ['expires-approved', 'yes/1'],
    ['expires-rejected', 'no/1'],
    ['expires-late', 'late/1'],
    ['listen-times-out', 'bye/1'],
  ])('%s', async (name, key) => {
    expect(segmentsOf(await play(name))).toEqual([key]);
  });
});

describe('in each other', () => {
  test('maps, and a loop in them', async () => {
    const heard = await play('nested-maps');
    expect(new Set(segmentsOf(heard)).size).toBe(6);
    expect(outputOf(heard)).toEqual([['work done', 'work done'], ['work done']]);
  });

  test('a workflow in itself', async () => {
    const heard = await play('recursion');
    expect(segmentsOf(heard)).toEqual(['leaf/1']);
    expect(heard.children).toHaveLength(2);
    expect(heard.ends.map(({ status }) => status)).toEqual(['completed', 'completed']);
  });
});

test('a run that is no conversation listens once', async () => {
  expect(segmentsOf(await play('listen-alone'))).toEqual(['answer/1']);
});

test('an event from before the wait is taken as soon as it is opened', async () => {
  expect(lastOf(await play('event-early'), 'paid/1')).toMatchObject({ decidedBy: 'event:early' });
});

describe('values stored elsewhere', () => {
  const large = { runSegment: async () => ({ outputs: [{ ref: 'blob', bytes: 1_000_000 }] }) };

  test('are worked with by activities, and what is wrong there is wrong with the node', async () => {
    const heard = await stage.play({
      plan: linePlan(agent('a'), node('set', 'vars', { values: { n: { $expr: 'input.n' } } })),
      activities: () => ({
        ...large,
        evaluate: async () => {
          throw nodeFailed({ type: 'expression_failed', message: 'n: there is no n.' });
        },
      }),
      act: toFailure,
    });
    expect(heard.end).toMatchObject({ status: 'failed', error: { type: 'expression_failed', node_id: 'vars' } });
  });

  test('are said by reference', async () => {
    const said: unknown[] = [];
    const answering = node('instruction_agent', 'root', { instructions: 'Help.' }, { says: true });
    await stage.play({
      input: { isConversation: true, input: inline(null) },
      plan: linePlan(node('listen', 'hear'), answering, agent('z')),
      activities: () => large,
      act: async (played) => {
        const message = { message: inline({ text: 'hi' }), text: 'hi' };
        said.push(...(await played.handle.executeUpdate(takeTurn, { args: [message] })).said);
        await toEnd(played);
      },
    });
    expect(said).toMatchObject([{ node_id: 'root', text: '', value: { ref: 'blob', bytes: 1_000_000 } }]);
  });
});

test('a wait that cannot be opened fails its node, and what was to be written with it is written', async () => {
  const heard = await stage.play({
    plan: linePlan(node('set', 'first', { values: { n: 1 } }), node('approval', 'ask', { prompt: '{{ x }}' })),
    activities: () => ({
      openWait: async () => {
        throw nodeFailed({ type: 'expression_failed', message: 'prompt: no x' });
      },
    }),
    act: toFailure,
  });
  expect(heard.end).toMatchObject({ status: 'failed', error: { type: 'expression_failed', node_id: 'ask' } });
  expect(lastOf(heard, 'first/1')).toMatchObject({ status: 'completed' });
  expect(heard.flushes.flatMap((flush) => flush.settlements)).toEqual([]);
});

test('what is used again comes in pages', async () => {
  const pages = [
    { steps: { 'a/1': { output: inline('was'), port: 'out' } }, next: 'a/1' },
    { steps: { 'b/1': { output: inline('so'), port: 'out' } }, next: null },
  ] as const;
  const heard = await stage.play({
    plan: linePlan(agent('a'), agent('b'), agent('c')),
    input: { reuses: true },
    activities: () => ({ loadReuse: async ({ after }) => (after === null ? pages[0] : pages[1]) }),
    act: toEnd,
  });
  expect(segmentsOf(heard)).toEqual(['c/1']);
});

test('what is said before the plan is there is judged when it is', async () => {
  const asked: unknown[] = [];
  const heard = await stage.play({
    plan: linePlan(agent('a')),
    definitions: { version: linePlan(agent('a')) },
    input: { source: { versionId: 'version' } },
    activities: (own) => ({
      loadPlan: async (input) => {
        await until(() => asked.length > 0);
        return own.loadPlan(input);
      },
    }),
    act: async (played) => {
      const { handle } = played;
      const turn = handle.executeUpdate(takeTurn, { args: [{ message: null, text: null }] });
      const vote = handle.executeUpdate(resolveWait, decide('approve', 'apr_nothing'));
      asked.push(turn);
      played.heard.notes.push(...(await Promise.all([causeOf(turn), causeOf(vote)])));
      await toEnd(played);
    },
  });
  expect(heard.notes).toMatchObject([{ type: 'WaitUnknown' }, { type: 'WaitUnknown' }]);
});
