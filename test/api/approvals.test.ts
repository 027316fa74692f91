import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeFlush } from '../../db/run-records.js';
import { insertWait, type NewWait } from '../../db/waits.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { noFlush, newRunRef, seedRun } from '../support/runs.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let person: Person;

beforeAll(async () => {
  api = await startTestApi({ temporal: () => silentTemporal() });
  person = await api.signUp();
}, 60_000);
afterAll(() => api.close());

const add = async (token: string, more: Partial<NewWait> = {}): Promise<void> => {
  const run = await seedRun(api.db, { run: newRunRef(person.workspace.id) });
  const place = { token, key: 'ok/1', nodeId: 'ok', visit: 1, scope: '', run };
  const wait = { ...place, kind: 'decision', prompt: 'Go?', context: { a: 1 }, expiresAt: null, ...more } as const;
  await insertWait(api.db, wait);
  await writeFlush(api.db, run, { ...noFlush, status: 'waiting', seq: 1 });
};

test('approvals are the waits for decisions and no others, without what belongs to the runs API', async () => {
  await add('apr_decision', { audience: ['role:admin'], quorum: 2 });
  await add('apr_event', { kind: 'event', event: { name: 'paid', key: null } });
  const at = `/workspaces/${person.workspace.id}/approvals`;
  const listed = await person.call('GET', at);
  expect(listed.status).toBe(200);
  expect(JSON.stringify(listed.body)).toContain('apr_decision');
  expect(JSON.stringify(listed.body)).not.toMatch(/apr_event|quorum|shown_hash/);
  const pending = await person.call('GET', '/approvals/pending');
  expect(JSON.stringify(pending.body)).toContain('apr_decision');
  expect(JSON.stringify(pending.body)).not.toMatch(/apr_event|quorum|shown_hash/);
  const decided = await person.call('POST', `${at}/apr_event/decide`, { body: { decision: 'approve' } });
  expect(decided.status).toBe(404);
});
