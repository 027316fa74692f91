import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { Worker, type ReplayHistoriesIterable } from '@temporalio/worker';
import { recordedScenes } from '../support/all-scenes.js';
import { bundleWorkflows, quietRuntime } from '../support/temporal.js';

const names = Object.keys(recordedScenes);
const folder = new URL('../../../test/replay/', import.meta.url);

interface Recorded {
  readonly workflowId: string;
  readonly history: { events: { activityTaskScheduledEventAttributes?: { activityType: { name: string } } }[] };
}

const read = (name: string): Recorded =>
  JSON.parse(readFileSync(new URL(`run-${name}.json`, folder), 'utf8')) as Recorded; // -- reason: `record.ts` wrote it

async function* one({ workflowId, history }: Recorded): ReplayHistoriesIterable {
  yield { workflowId, history: historyFromJSON(history) };
}

async function replay(recorded: Recorded): Promise<Error | undefined> {
  quietRuntime();
  const results = Worker.runReplayHistories({ workflowBundle: await bundleWorkflows() }, one(recorded));
  for await (const { error } of results) if (error !== undefined) return error;
  return undefined;
}

test('every scene is recorded', () => {
  const recorded = readdirSync(folder).filter((name) => name.startsWith('run-'));
  expect(recorded.sort()).toEqual(names.map((name) => `run-${name}.json`).sort());
});

test.each(names)('%s replays', async (name) => {
  expect(await replay(read(name))).toBeUndefined();
});

test('a history of other commands does not', async () => {
  const recorded = read('line');
  const scheduled = recorded.history.events.find((event) => event.activityTaskScheduledEventAttributes !== undefined);
  if (scheduled?.activityTaskScheduledEventAttributes === undefined) throw new Error('the line runs activities');
  scheduled.activityTaskScheduledEventAttributes.activityType.name = 'somethingElse';
  expect(await replay(recorded)).toMatchObject({ name: 'DeterminismViolationError' });
});
