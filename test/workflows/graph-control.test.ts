import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { waitToken } from '../../workflows/contract/ids.js';
import { moveVersion, pauseRun, resolveWait, retryNode } from '../../workflows/contract/messages.js';
import { inline, jsonOf } from '../../workflows/definition/values.js';
import { graphScenes, movablePlan, movedPlan, misfitPlan, parkPlan, waiting } from '../support/graph-scenes.js';
import { agent, buildPlan, edge, linePlan, node } from '../support/plans.js';
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
const stepsOf = (heard: Heard) => heard.flushes.flatMap((flush) => flush.steps);

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
