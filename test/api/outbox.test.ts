import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { RunInput } from '../../workflows/contract/run.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { silentTemporal } from '../support/silent-temporal.js';
import { until } from '../support/until.js';

let isAway = true;
const started: RunInput[] = [];
let api: TestApi;
let person: Person;

beforeAll(async () => {
  const temporal = {
    ...silentTemporal(),
    startRun: async (input: RunInput) => {
      if (isAway) throw new Error('Temporal is away');
      started.push(input);
    },
  };
  api = await startTestApi({ temporal: () => temporal });
  person = await api.signUp();
}, 60_000);
afterAll(() => api.close());

test('a run accepted while Temporal is away is started when it is back, under the same id', async () => {
  const steps = [{ kind: 'trigger', label: 'In' }];
  await person.call('POST', '/v1/workflow-chains', { body: { name: 'Later', slug: 'later', primary_steps: steps } });
  const accepted = await person.call('POST', '/v1/workflow-chains/later/run', { body: { input: 'x' } });
  expect(accepted).toMatchObject({ status: 202, body: { status: 'queued' } });
  const runId = String(accepted.body['run_id']);
  await api.db
    .updateTable('runs')
    .set({ created_at: new Date(Date.now() - 60_000) })
    .where('id', '=', runId)
    .execute();
  isAway = false;
  const inputs = await until(
    () => Promise.resolve(started),
    (all) => all.length > 0,
  );
  expect(inputs[0]).toMatchObject({ run: { runId, workspaceId: person.workspace.id }, input: { json: 'x' } });
});
