import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hardScenes } from '../support/hard-scenes.js';
import { inline, jsonOf, type Value } from '../../workflows/definition/values.js';
import { openStage, type Heard, type Stage } from '../support/play.js';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
}, 120_000);
afterAll(() => stage.close());

async function play(name: string): Promise<Heard> {
  const scene = hardScenes[name];
  if (scene === undefined) throw new Error(`no scene ${name}`);
  return stage.play(scene);
}

const segmentsOf = (heard: Heard): readonly string[] => heard.segments.flat();
const stepsOf = (heard: Heard) => heard.flushes.flatMap((flush) => flush.steps);
const lastOf = (heard: Heard, key: string) => stepsOf(heard).findLast((step) => step.key === key);
const settlementsOf = (heard: Heard) => heard.flushes.flatMap((flush) => flush.settlements);

describe('an effect that nobody could stop', () => {
  test('is undone when its run was cancelled', async () => {
    const heard = await play('cancelled-in-flight');
    expect(segmentsOf(heard)).toEqual(['reserve/1', 'release/1']);
    expect(heard.end).toMatchObject({ status: 'cancelled' });
    expect(lastOf(heard, 'reserve/1')).toBeUndefined();
  });

  test('is undone when its visit was withdrawn and the run fails later', async () => {
    const heard = await play('withdrawn-in-flight');
    expect(segmentsOf(heard)).toEqual(['slow/1', 'bad/1', 'release/1']);
    expect(jsonOf(heard.inputs['release/1'] ?? inline(null))).toEqual({ input: 'in', output: 'slow done' });
  });

  test('was the last of its run: that is completed, whoever cancelled it too late', async () => {
    const heard = await play('cancelled-too-late');
    expect(segmentsOf(heard)).toEqual(['a/1', 'last/1']);
    expect(heard.end).toEqual({ status: 'completed', output: inline('last done') });
    expect(heard.ends).toEqual([]);
  });
});

describe('undoing', () => {
  test('that fails for good is on record, and the rest goes on', async () => {
    const heard = await play('undo-fails');
    expect(segmentsOf(heard)).toEqual(['reserve/1', 'charge/1', 'bad/1', 'bad-refund/1', 'release/1']);
    expect(lastOf(heard, 'bad-refund/1')).toMatchObject({ status: 'failed', error: { type: 'http_status' } });
    expect(heard.end).toMatchObject({ status: 'failed', error: { node_id: 'bad' } });
  });

  test('that is parked waits for somebody before the run ends', async () => {
    const heard = await play('undo-parked');
    const undone = ['bad-refund/1', 'bad-refund/1', 'release/1'];
    expect(segmentsOf(heard)).toEqual(['reserve/1', 'charge/1', 'bad/1', ...undone]);
    expect(heard.ends).toMatchObject([{ status: 'failed' }]);
  });

  test('goes on when the run is cancelled meanwhile', async () => {
    const heard = await play('cancelled-twice-undoing');
    expect(segmentsOf(heard).slice(-2)).toEqual(['bad-refund/1', 'release/1']);
    expect(heard.ends).toMatchObject([{ status: 'failed' }]);
  });

  test('may be given up', async () => {
    const heard = await play('undo-given-up');
    expect(segmentsOf(heard).slice(-2)).toEqual(['bad-refund/1', 'release/1']);
    expect(lastOf(heard, 'bad-refund/1')).toMatchObject({ status: 'failed', decidedBy: 'ana' });
  });

  test('by two compensations at once happens once, in reverse', async () => {
    const heard = await play('compensations-two');
    expect(segmentsOf(heard)).toEqual(['reserve/1', 'charge/1', 'refund/1', 'release/1']);
  });
});

describe('waits with a deadline', () => {
  test('that are parked, and started anew, have tokens of their own', async () => {
    const heard = await play('wait-parked');
    expect(heard.waits.map((token) => token.replace(/^.*ask~1/, ''))).toEqual(['', '~r2', '~r3']);
    expect(settlementsOf(heard).map(({ outcome, by }) => [outcome, by])).toEqual([
      ['expired', 'system:deadline'],
      ['approved', 'ana'],
      ['approved', 'ana'],
    ]);
    expect(segmentsOf(heard)).toEqual(['after/1']);
  });

  test('cannot be decided when it is over', async () => {
    const heard = await play('wait-decided-too-late');
    expect(heard.notes).toMatchObject([{ type: 'WaitSettled' }]);
    expect(segmentsOf(heard)).toEqual(['z/1']);
  });

  test('end what waits inside a map as well', async () => {
    const heard = await play('map-deadline');
    expect(segmentsOf(heard)).toEqual(['late/1']);
    expect(settlementsOf(heard).map(({ outcome }) => outcome)).toEqual(['cancelled', 'cancelled']);
    for (const index of [0, 1]) expect(lastOf(heard, `each/1/${index}/ask/1`)).toMatchObject({ status: 'cancelled' });
    expect(lastOf(heard, 'each/1')).toMatchObject({ status: 'failed', error: { type: 'timeout' }, port: 'error' });
  });
});

describe('parked', () => {
  test('in the middle of a line, it goes on from there', async () => {
    const heard = await play('line-parked');
    expect(heard.segments.map((keys) => keys.map((key) => key.split('/')[0]))).toEqual([
      ['a', 'bad', 'c'],
      ['bad', 'c'],
    ]);
    expect(heard.end).toMatchObject({ status: 'completed' });
  });

  test('in several items of a map, they are all started anew', async () => {
    const heard = await play('items-parked');
    expect(heard.steps.map(({ key, round }) => [key, round])).toHaveLength(6);
    expect(heard.end?.status).toBe('completed');
  });

  test('a map started anew asks and works anew in its items, by the same keys', async () => {
    const heard = await play('map-parked');
    expect(heard.steps.map(({ key, round }) => [key, round])).toEqual([
      ['each/1/0/bad/1', 0],
      ['each/1/0/bad/1', 1],
    ]);
    expect(heard.waits).toHaveLength(3);
    expect(heard.end).toMatchObject({ status: 'completed' });
  });

  test('in a paused run it is started anew when that goes on', async () => {
    const heard = await play('paused-parked');
    expect(heard.notes).toEqual([1]);
    expect(segmentsOf(heard)).toEqual(['bad/1', 'bad/1', 'after/1']);
  });
});

test('a condition that cannot be worked out after a line fails the run at the last of it', async () => {
  const heard = await play('line-misled');
  expect(heard.end).toMatchObject({ status: 'failed', error: { type: 'expression_failed', node_id: 'b' } });
});

test('the first answer to a caller counts, and is told though the run fails', async () => {
  const heard = await play('respond-then-fails');
  const responses = heard.flushes.flatMap(({ response }): readonly Value[] =>
    response === undefined ? [] : [response],
  );
  expect(responses[0]).toEqual(inline(1));
  expect(heard.end).toMatchObject({ status: 'failed' });
});

test('a timer that lost is gone', async () => {
  const heard = await play('delay-withdrawn');
  expect(lastOf(heard, 'long/1')).toMatchObject({ status: 'cancelled', decidedBy: 'system:withdrawn' });
  expect(heard.flushes.some((flush) => flush.status === 'waiting')).toBe(true);
});
