import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { z } from 'zod';
import { Download, EventStream, eventStreamType, route, type Route } from '../../api/http/route.js';
import type { Auth } from '../../api/actor.js';
import type { Database } from '../../db/client.js';
import { testDatabase } from '../support/database.js';
import { send } from '../support/http.js';
import { startKit, type KitServer } from '../support/kit.js';
import { listenTo } from '../support/sse.js';

let db: Database;
let drop: () => Promise<void>;
let kit: KitServer;

const Ids = z.object({ ids: z.array(z.string()) });
const auths: readonly Auth[] = ['member', 'workspace', 'embed', 'tenant', 'user', 'admin', 'none'];

/** A query that forgot its workspace. */
const all = async (): Promise<{ readonly ids: string[] }> => {
  const rows = await db.selectFrom('definitions').select('id').orderBy('id').execute();
  return { ids: rows.map(({ id }) => id) };
};

const common = { method: 'GET', summary: 'Ids', tag: 'ids' } as const;
const rows: readonly Route[] = [
  ...auths.map((auth) =>
    route({ ...common, id: `ids.${auth}`, path: `/ids/${auth}/:id`, auth, reply: Ids, handle: () => all() }),
  ),
  route({
    ...common,
    id: 'ids.stream',
    path: '/ids/stream',
    auth: 'member',
    produces: eventStreamType,
    reply: Ids,
    handle: () =>
      Promise.resolve(
        new EventStream(async function* () {
          yield { data: await all() };
          yield { data: await all() };
        }),
      ),
  }),
  route({
    ...common,
    id: 'ids.download',
    path: '/ids/download',
    auth: 'member',
    produces: 'text/plain',
    reply: z.string(),
    handle: () =>
      Promise.resolve(
        new Download({
          type: 'text/plain',
          filename: 'ids.txt',
          pieces: async function* () {
            yield (await all()).ids.join();
            yield `;${(await all()).ids.join()}`;
          },
        }),
      ),
  }),
  route({
    ...common,
    id: 'ids.broken',
    path: '/ids/broken',
    auth: 'member',
    produces: 'text/plain',
    reply: z.string(),
    handle: () =>
      Promise.resolve(
        new Download({
          type: 'text/plain',
          filename: 'ids.txt',
          pieces: async function* () {
            yield 'begun';
            await Promise.reject(new Error('the database went away'));
          },
        }),
      ),
  }),
];

beforeAll(async () => {
  ({ db, close: drop } = await testDatabase());
  for (const name of ['ann', 'ben']) {
    const workspace_id = `ws_${name}`;
    await db
      .insertInto('tenants')
      .values({ id: `ten_${name}`, name, slug: name })
      .execute();
    await db
      .insertInto('workspaces')
      .values({ id: workspace_id, tenant_id: `ten_${name}`, slug: name, name })
      .execute();
    const row = { workspace_id, kind: 'chain', slug: name, name, status: 'draft', document: '{}', created_by: name };
    await db
      .insertInto('definitions')
      .values({ ...row, id: `def_${name}` })
      .execute();
  }
  kit = await startKit({ db, rows });
}, 60_000);
afterAll(async () => {
  await kit.close();
  await drop();
});

const headers = { authorization: 'Bearer ann' };

test.each(['member', 'workspace', 'embed', 'tenant'])(
  'a %s row that forgets its workspace sees its caller’s alone',
  async (auth) => {
    const { body } = await send(`${kit.url}/ids/${auth}/ws_ann`, { headers });
    expect(body).toEqual({ ids: ['def_ann'] });
  },
);

test.each(['user', 'admin', 'none'])('a %s row acts in no one workspace', async (auth) => {
  const { body } = await send(`${kit.url}/ids/${auth}/ws_ann`, { headers });
  expect(body).toEqual({ ids: ['def_ann', 'def_ben'] });
});

test('what is sent piece by piece stays in the scope', async () => {
  const stream = await listenTo(`${kit.url}/ids/stream`, { headers });
  const messages = [await stream.next(), await stream.next()];
  expect(messages.map((message) => message?.data)).toEqual([{ ids: ['def_ann'] }, { ids: ['def_ann'] }]);
  const { text, headers: sent } = await send(`${kit.url}/ids/download`, { headers });
  expect(text).toBe('def_ann;def_ann');
  expect(sent.get('content-disposition')).toBe('attachment; filename="ids.txt"');
});

test('a download that fails on its way is cut off, so that nobody takes it for whole', async () => {
  await expect(send(`${kit.url}/ids/broken`, { headers })).rejects.toThrow();
});
