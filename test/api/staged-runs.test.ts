import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { silentTemporal } from '../support/silent-temporal.js';
import { stagedUser, type StagedUser } from '../support/staged-desk.js';
import { send, type Answered } from '../support/http.js';

// Runs that no worker takes up: what the API itself says of them.

let api: TestApi;
let ana: Person;
let user: StagedUser;
let ids: readonly string[];

interface Item {
  readonly workflow_run_id: string;
  readonly workflow_key: string;
  readonly started_at: string;
}
const itemsOf = ({ body }: Answered): readonly Item[] => body['items'] as readonly Item[];

/** Starts a run without waiting for its end: its stream says which it is. */
async function begin(key: string, body: object): Promise<string> {
  const stream = await user.stream(key, body);
  const first = await stream.next();
  stream.cut();
  return String(first?.data?.['workflow_run_id']);
}

beforeAll(async () => {
  api = await startTestApi({ temporal: silentTemporal });
  ana = await api.signUp();
  user = stagedUser(api.url, ana);
  const made: string[] = [];
  for (let n = 0; n < 7; n += 1)
    made.push(
      await begin(n % 2 === 0 ? 'analysis_code' : 'analysis_parallel', {
        message: `n ${n}`,
        conversation_id: `conv_${n % 3}`,
      }),
    );
  ids = made;
  // accepted in the same moment, but for the last
  const at = new Date('2026-01-02T03:04:05.678Z');
  await api.db.updateTable('runs').set({ created_at: at }).where('id', 'in', ids.slice(0, 6)).execute();
}, 60_000);
afterAll(() => api.close());

describe('the list', () => {
  test('comes in pages that repeat and miss nothing, also among runs of one moment', async () => {
    const seen: string[] = [];
    for (let query: string | null = '?limit=2'; query !== null;) {
      const page: Answered = await user.list(query);
      expect(page.status).toBe(200);
      seen.push(...itemsOf(page).map(({ workflow_run_id: id }) => id));
      const next = page.body['next_cursor'];
      query = typeof next === 'string' ? `?limit=2&cursor=${next}` : null;
    }
    expect(seen).toEqual([ids[6], ...ids.slice(0, 6).toSorted().toReversed()]);
  });

  test('is filtered', async () => {
    const keysOf = async (query: string) => itemsOf(await user.list(query)).length;
    expect(await keysOf('?workflow_key=analysis_code')).toBe(4);
    expect(await keysOf('?conversation_id=conv_0')).toBe(3);
    expect(await keysOf('?run_status=running')).toBe(7);
    expect(await keysOf('?run_status=succeeded')).toBe(0);
    expect(await keysOf('?started_before=2026-01-02T03:04:06Z')).toBe(6);
    expect(await keysOf('?started_after=2026-01-02T03:04:06Z')).toBe(1);
    expect(await keysOf('?started_before=2026-01-02T04:04:06%2B01:00&workflow_key=analysis_parallel')).toBe(3);
  });

  test.each([
    ['run_status', 'run_status=queued'],
    ['started_before', 'started_before=yesterday'],
    ['started_after', 'started_after=2026-02-31'],
    ['cursor', 'cursor=nonsense'],
    ['cursor', `cursor=${Buffer.from('{"started_at":"x","id":"run_1"}').toString('base64url')}`],
  ])('refuses a bad %s with 400 (%s)', async (field, query) => {
    const answer = await user.list(`?${query}`);
    expect(answer).toMatchObject({ status: 400, body: { error: { details: [{ field: `query.${field}` }] } } });
  });

  test.each(['limit=0', 'limit=101', 'limit=x'])('refuses %s with 422', async (query) => {
    expect((await user.list(`?${query}`)).status).toBe(422);
  });
});

test('a run that nobody has taken up runs; cancelled, it is so at once and for good', async () => {
  const id = await begin('analysis_code', { message: 'stop me' });
  expect((await user.get(id)).body).toMatchObject({
    ...{ status: 'running', workflow_key: 'analysis_code', request_message: 'stop me', steps: [], ended_at: null },
    tenant_id: expect.stringMatching(/^ten_/),
  });
  expect(await user.cancel(id)).toMatchObject({ status: 202, body: { success: true } });
  expect((await user.get(id)).body).toMatchObject({ status: 'cancelled' });
  expect((await user.cancel(id)).status).toBe(409);
  expect((await user.cancel('run_00000000000000000000000000')).status).toBe(404);
});

test('a key needs a scope of runs; one of another workspace finds nothing', async () => {
  const keyWith = async (person: Person, scopes: readonly string[]): Promise<Readonly<Record<string, string>>> => {
    const body = { name: scopes.join(), environment: 'live', scopes };
    const made = await person.call('POST', '/api/v1/auth/api-keys', { body });
    return { authorization: `Bearer ${String(made.body['key'])}` };
  };
  const get = (headers: Readonly<Record<string, string>>) =>
    send(`${api.url}/api/v1/workflows/runs/${ids[0]}`, { headers });
  expect((await get(await keyWith(ana, ['runs:read']))).status).toBe(200);
  expect((await get(await keyWith(ana, ['tools:read']))).status).toBe(403);
  expect((await get(await keyWith(await api.signUp(), ['runs:read']))).status).toBe(404);
});
