import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { inline } from '../../workflows/definition/values.js';
import { allScenes } from '../support/all-scenes.js';
import { openStage, type Heard, type Played, type Stage } from '../support/play.js';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
}, 120_000);
afterAll(() => stage.close());

async function play(name: string, look?: (played: Played) => Promise<void>): Promise<Heard> {
  const scene = allScenes[name];
  if (scene === undefined) throw new Error(`no scene ${name}`);
  return stage.play(scene, look);
}

const segmentsOf = (heard: Heard): readonly string[] => heard.segments.flat();
const stepsOf = (heard: Heard) => heard.flushes.flatMap((flush) => flush.steps);
const settlementsOf = (heard: Heard) => heard.flushes.flatMap((flush) => flush.settlements);

describe('over continue-as-new', () => {
  test('an approval keeps its votes, its audience and its alarms', async () => {
    const heard = await play('approval-continued-as-new');
    expect(heard.waits).toHaveLength(1);
    expect(heard.alarms.map(({ isEscalation }) => isEscalation)).toEqual([false, true]);
    expect(heard.notes).toMatchObject([{ type: 'WaitForbidden' }]);
    expect(settlementsOf(heard)).toMatchObject([{ outcome: 'approved', votes: [{ by: 'ana' }, { by: 'ben' }] }]);
    expect(segmentsOf(heard)).toEqual(['paid/1']);
  });

  test('an event that came early is kept, and its double is known', async () => {
    const heard = await play('events-continued-as-new');
    const taken = settlementsOf(heard).filter(({ outcome }) => outcome === 'resolved');
    expect(taken.map(({ by }) => by)).toEqual(['event:kept', 'event:second']);
  });

  test('a parked step waits on, and is started anew once', async () => {
    const heard = await play('parked-continued-as-new');
    expect(heard.waits).toHaveLength(1);
    expect(heard.steps.map(({ key, round }) => [key, round])).toEqual([
      ['bad/1', 0],
      ['bad/1', 1],
      ['after/1', 0],
    ]);
  });

  test.each(['paused-continued-as-new', 'retried-paused-continued-as-new'])('a pause is one: %s', async (name) => {
    const heard = await play(name);
    expect(heard.notes).toEqual([name.startsWith('retried') ? 1 : 0]);
    expect(heard.end).toMatchObject({ status: 'completed' });
  });

  test('a conversation loses no message and repeats no answer', async () => {
    const heard = await play('conversation-continued-as-new');
    expect(heard.notes).toEqual(['Hello', 'root done', 'root done', 'root done', 'root done', 'Goodbye, bye']);
  });

  test('undoing goes on where it was, each once and in reverse', async () => {
    const heard = await play('undo-continued-as-new');
    const undone = Array.from({ length: 12 }, (_, index) => `undo/${index + 1}`);
    expect(segmentsOf(heard).slice(13)).toEqual(undone);
    expect(heard.inputs['undo/1']).toMatchObject({ parts: { output: inline('do-11 done') } });
    expect(heard.inputs['undo/12']).toMatchObject({ parts: { output: inline('do-0 done') } });
    expect(heard.ends).toMatchObject([{ status: 'failed', error: { node_id: 'bad' } }]);
  });

  test('a parked undoing of a compensation is the same one', async () => {
    const heard = await play('compensation-continued-as-new');
    expect(segmentsOf(heard)).toEqual(['reserve/1', 'bad-release/1', 'bad-release/1', 'after/1']);
    expect(heard.waits).toHaveLength(1);
    expect(heard.flushes.some(({ status }) => status === 'waiting')).toBe(true);
  });

  test('a state too large to travel is stored in pieces', async () => {
    const heard = await play('large-continued-as-new');
    expect(heard.texts.length).toBeGreaterThan(1);
    expect(new Set(segmentsOf(heard)).size).toBe(40);
    expect(segmentsOf(heard)).toHaveLength(40);
    expect(heard.ends).toEqual([{ status: 'completed', output: { ref: 'all', bytes: 1_200_000 } }]);
  });

  test('a deadline runs from the beginning', async () => {
    const began = Date.now();
    const heard = await play('deadline-continued-as-new');
    expect(segmentsOf(heard)).toEqual(['late/1']);
    const late = stepsOf(heard).find(({ status }) => status === 'failed');
    expect(late?.startedAt ?? 0).toBeGreaterThanOrEqual(began);
    expect((late?.endedAt ?? 0) - (late?.startedAt ?? 0)).toBeLessThan(4_000_000);
  });

  test('a run cancelled while it changes hands is cancelled', async () => {
    const heard = await play('cancelled-between');
    expect(heard.ends).toMatchObject([{ status: 'cancelled' }]);
    expect(segmentsOf(heard)).toEqual(['a/1', 'undo/1']);
    expect(settlementsOf(heard)).toMatchObject([{ outcome: 'cancelled' }]);
    expect(stepsOf(heard).findLast(({ key }) => key === 'ok/1')).toMatchObject({ status: 'cancelled' });
  });

  test('two who move a run do it one after the other', async () => {
    const heard = await play('moved-twice');
    expect(heard.notes).toMatchObject(['go', { moved: false }, { moved: true }]);
    expect(heard.versions).toEqual(['next']);
    expect(segmentsOf(heard)).toEqual(['slow/1', 'new/1']);
  });
});

describe('runs in runs', () => {
  test('one that was refused is no success', async () => {
    const heard = await play('child-refused');
    expect(heard.ends).toMatchObject([
      { status: 'cancelled' },
      { status: 'failed', error: { type: 'child_cancelled' } },
    ]);
  });

  test('the parent hears of its child in a later execution', async () => {
    const heard = await play('child-continued-as-new');
    expect(segmentsOf(heard)).toEqual(['inner/1', 'after/1']);
    expect(heard.children).toHaveLength(1);
  });

  test('and cancels it from there', async () => {
    const heard = await play('child-cancelled-after');
    expect(heard.ends.map(({ status }) => status)).toEqual(['cancelled', 'cancelled']);
  });

  test('a child that vanished is asked for by its row', async () => {
    const heard = await play('child-lost');
    expect(heard.end).toMatchObject({ status: 'failed', error: { type: 'terminated', node_id: 'call' } });
  });

  test('a deadline stops the child', async () => {
    const heard = await play('child-deadline');
    expect(heard.ends).toMatchObject([{ status: 'cancelled' }]);
    expect(segmentsOf(heard)).toEqual(['late/1']);
  });

  test('a detached one outlives its parent', async () => {
    const heard = await play('child-outlives');
    expect(new Set(segmentsOf(heard))).toEqual(new Set(['after/1', 'inner/1']));
    expect(heard.ends.some(({ status }) => status !== 'completed')).toBe(false);
  });

  test('one that failed is another when its step is started anew', async () => {
    const heard = await play('child-retried');
    expect(heard.children).toEqual([expect.stringMatching(/call-1$/), expect.stringMatching(/call-1-1$/)]);
    expect(segmentsOf(heard)).toEqual(['bad/1', 'bad/1', 'after/1']);
  });
});
