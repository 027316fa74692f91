import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/activity';
import { Fault, NodeFailure } from '../../activities/nodes/runner.js';
import type { ActivityKind, RunSegmentInput } from '../../workflows/contract/activities.js';
import { Failure } from '../../workflows/contract/failures.js';
import type { NodeOf, NodePolicy } from '../../workflows/definition/plan.js';
import { inline, type Json } from '../../workflows/definition/values.js';
import { openSegments, type SegmentStage } from './segment-stage.js';

let stage: SegmentStage;

beforeAll(async () => {
  stage = await openSegments();
}, 60_000);
afterAll(() => stage.close());
beforeEach(() => stage.fresh());

const first = (steps: RunSegmentInput['steps'], more: object): RunSegmentInput['steps'] =>
  steps.map((step, index) => (index === 0 ? { ...step, ...more } : step));
const withPolicy = (input: RunSegmentInput, policy: Partial<NodePolicy>): RunSegmentInput => ({
  ...input,
  steps: input.steps.map((step) => ({
    ...step,
    node: { ...step.node, policy: { ...step.node.policy, ...policy } } as NodeOf<ActivityKind>, // -- its kind stays
  })),
});
const failing = (retryable = true): Promise<Json> =>
  Promise.reject(
    new NodeFailure(Fault.httpStatus, 'no', { retryable, cost: { usd: 1, input_tokens: 2, output_tokens: 3 } }),
  );

describe('a visit', () => {
  test('in a map or loop has a key of its own', async () => {
    const place = { key: 'each/1/3/a/1', scope: 'each/1/3' };
    await stage.segment({ ...stage.inputOf(['a']), steps: first(stage.inputOf(['a']).steps, place) });
    await stage.segment(stage.inputOf(['a']));
    expect(stage.calls).toEqual([`${stage.run.runId}/each/1/3/a/1`, `${stage.run.runId}/a/1`]);
    expect(await stage.stepOf('a')).toMatchObject({ key: expect.any(String), visit: 1 });
    expect(
      await stage.db
        .selectFrom('run_steps')
        .select('scope')
        .where('run_id', '=', stage.run.runId)
        .orderBy('scope')
        .execute(),
    ).toEqual([{ scope: '' }, { scope: 'each/1/3' }]);
  });

  test('with a pinned result executes nothing', async () => {
    for (const pinned of [{ from: 'a pin' }, null]) {
      const { outputs } = await stage.segment({
        ...stage.inputOf(['a']),
        steps: first(stage.inputOf(['a']).steps, { pinned }),
      });
      expect(outputs[0]).toEqual(inline({ from: 'a pin' }));
    }
    expect(stage.calls).toEqual([]);
    expect(await stage.stepOf('a')).toMatchObject({
      status: 'completed',
      decided_by: 'pinned',
      output: inline({ from: 'a pin' }),
    });
  });

  test('started anew by a person counts its failures from the start', async () => {
    stage.behave = () => failing();
    for (const round of [0, 1]) {
      const input = { ...stage.inputOf(['a']), steps: first(stage.inputOf(['a']).steps, { round }) };
      expect(await stage.segment(input).catch((error: unknown) => error)).toMatchObject({
        type: Failure.attemptFailed,
      });
      expect(await stage.stepOf('a')).toMatchObject({ status: 'running', failures: 1, round });
      expect(await stage.segment(input).catch((error: unknown) => error)).toMatchObject({ type: Failure.nodeFailed });
      expect(await stage.stepOf('a')).toMatchObject({ status: 'failed', failures: 2 });
    }
    expect(await stage.stepOf('a')).toMatchObject({ cost: { usd: 4, input_tokens: 8, output_tokens: 12 } });
  });

  test('pauses as its policy says', async () => {
    stage.behave = () => failing();
    const input = withPolicy(stage.inputOf(['a']), {
      backoffFactor: 5,
      backoffMs: 100,
      maxBackoffMs: 2_000,
      maxAttempts: 9,
    });
    const pauses: unknown[] = [];
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      const error: unknown = await stage.segment(input).catch((reason: unknown) => reason);
      pauses.push(error instanceof ApplicationFailure ? error.nextRetryDelay : error);
    }
    expect(pauses).toEqual([100, 500, 2_000, 2_000]);
  });

  test('is not tried again for an error its policy names', async () => {
    stage.behave = () => failing();
    const input = withPolicy(stage.inputOf(['a']), { nonRetryable: ['http_status'], maxAttempts: 9 });
    expect(await stage.segment(input).catch((error: unknown) => error)).toMatchObject({
      type: Failure.nodeFailed,
      details: [{ error: { type: 'http_status', node_id: 'a' } }],
    });
  });

  test('sets variables, answers them again, and stores large ones apart', async () => {
    stage.adds = {
      vars: { small: 1, large: 'x'.repeat(2_000) },
      cost: { usd: 0.5, input_tokens: 1, output_tokens: 2 },
    };
    const { vars } = await stage.segment(stage.inputOf(['a']));
    expect(vars).toEqual({ small: inline(1), large: { ref: expect.any(String), bytes: 2_002 } });
    expect((await stage.segment(stage.inputOf(['a']))).vars).toEqual(vars);
    expect(stage.calls).toHaveLength(1);
    expect(await stage.stepOf('a')).toMatchObject({ vars, cost: { usd: 0.5 } });
  });

  test('sees its scope, and what the steps of its line left before it', async () => {
    const seen: Json[] = [];
    stage.behave = ({ node, names }) => {
      seen.push(names as Json);
      return Promise.resolve(`${node.id} out`);
    };
    stage.adds = { vars: { b: 'set' } };
    const input = stage.inputOf(['a', 'b']);
    const scope = {
      ...input.scope,
      vars: { v: inline([1]) },
      steps: { before: inline('B') },
      item: inline(5),
      index: 2,
      message: 'hi',
    };
    const steps = input.steps.map((step) => ({ ...step, node: { ...step.node, saveAs: 'saved' } }));
    await stage.segment({ ...input, steps, scope });
    expect(seen[0]).toEqual({
      input: 'in',
      text: 'in',
      run: { id: stage.run.runId, input: null },
      vars: { v: [1] },
      steps: { before: 'B' },
      item: 5,
      index: 2,
      message: 'hi',
    });
    expect(seen[1]).toMatchObject({
      input: 'a out',
      vars: { v: [1], b: 'set', saved: 'a out' },
      steps: { before: 'B', a: 'a out' },
      item: 5,
    });
  });

  test('that came from another workflow names the others there as it did there', async () => {
    let steps: Json = null;
    stage.behave = ({ names }) => {
      steps = names['steps'] ?? null;
      return Promise.resolve(null);
    };
    const input = stage.inputOf(['a']);
    const node = { ...input.steps[0]?.node, reads: { steps: ['sub.fetch'], prefix: 'sub.' } };
    const scope = { ...input.scope, steps: { 'sub.fetch': inline(1) } };
    await stage.segment({ ...input, scope, steps: first(input.steps, { node }) });
    expect(steps).toMatchObject({ fetch: 1 });
  });
});
