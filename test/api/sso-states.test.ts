import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { TestApi } from '../support/api.js';
import { CLIENT_SECRET, createBrowser } from '../support/identity-provider.js';
import { named, openPage as open, openSso, type SsoDesk } from '../support/sso.js';

let desk: SsoDesk;
let api: TestApi;
let set: SsoDesk['set'];
let comeBack: SsoDesk['comeBack'];

beforeAll(async () => {
  desk = await openSso();
  ({ api, set, comeBack } = desk);
});
afterAll(() => desk.close());

test('a sign-in under way is finished once', async () => {
  const browser = createBrowser();
  const url = await comeBack(browser, named('ada'));
  const cookie = browser.cookie(api.url, 'keelson_sso') ?? '';
  expect((await open(browser, url)).status).toBe(200);
  const again = await fetch(url, { headers: { cookie: `keelson_sso=${cookie}` }, redirect: 'manual' });
  expect(again.status).toBe(400);
});

test('a sign-in under way is finished in its own browser, in time, and of its own provider', async () => {
  const browser = createBrowser();
  const url = await comeBack(browser, named('ada'));
  expect(await open(createBrowser(), url)).toMatchObject({ status: 400 });
  const thief = createBrowser();
  await comeBack(thief, named('thief'));
  expect(await open(thief, url)).toMatchObject({ status: 400 });
  const wrong = new URL(url);
  wrong.searchParams.set('state', 'made up');
  expect(await open(browser, wrong)).toMatchObject({ status: 400 });
  await api.db
    .updateTable('sso_states')
    .set({ expires_at: new Date(0) })
    .execute();
  expect(await open(browser, url)).toMatchObject({ status: 400 });
});

test('a sign-in under way ends when the provider is switched off', async () => {
  const browser = createBrowser();
  const url = await comeBack(browser, named('ada'));
  await set({ enabled: false });
  const statuses = [(await open(browser, url)).status, (await fetch(`${api.url}/v1/auth/sso/acme/start`)).status];
  await set({ enabled: true });
  expect(statuses).toEqual([403, 403]);
});

test('a provider keeps no secret in plain text', async () => {
  const stored = await api.db.selectFrom('sso_providers').selectAll().execute();
  expect(JSON.stringify(stored)).not.toContain(CLIENT_SECRET);
});
