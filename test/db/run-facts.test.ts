import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Database } from '../../db/client.js';
import { createRunFacts } from '../../db/run-facts.js';
import { insertRun } from '../../db/runs.js';
import { inline } from '../../workflows/definition/values.js';
import { testDatabase } from '../support/database.js';
import { agent, linePlan } from '../support/plans.js';

let db: Database;
let close: () => Promise<void>;

beforeAll(async () => {
  ({ db, close } = await testDatabase());
  const settings = {
    endpoints: { a: { path: '/a', method: 'GET' } },
    oidc: { secret: 'x' },
    llm: { model: 'big', key: 'x' },
  };
  for (const id of ['one', 'two']) {
    const tenant = {
      id: `ten_${id}`,
      name: `T ${id}`,
      slug: id,
      settings: JSON.stringify(id === 'one' ? settings : {}),
    };
    await db.insertInto('tenants').values(tenant).execute();
    const workspace = { id: `ws_${id}`, tenant_id: `ten_${id}`, parent_id: null, slug: id, name: id, settings: '{}' };
    await db
      .insertInto('workspaces')
      .values({ ...workspace, deleted_at: null })
      .execute();
  }
  const plan = linePlan(agent('n'));
  const definition = {
    id: 'def_1',
    workspace_id: 'ws_one',
    kind: 'graph',
    slug: 'dinner',
    name: 'Dinner',
    status: 'live',
  };
  await db
    .insertInto('definitions')
    .values({
      ...definition,
      document: '{}',
      version_id: null,
      created_by: 'test',
      deleted_at: null,
      published_at: null,
    })
    .execute();
  const row = { kind: 'test', input: inline('in'), trigger: 'test', actor: 'test', plan, definition: null };
  await insertRun(db, { ...row, run: { workspaceId: 'ws_one', runId: 'run_1' } });
  await insertRun(db, { ...row, run: { workspaceId: 'ws_two', runId: 'run_2' } });
  await db.updateTable('runs').set({ definition_id: 'def_1' }).where('id', '=', 'run_1').execute();
}, 60_000);
afterAll(() => close());

test('tells of the organisation what agents may know, and of which workflow the run is', async () => {
  const facts = createRunFacts(db);
  expect(await facts({ workspaceId: 'ws_one', runId: 'run_1' })).toEqual({
    tenant: {
      ...{ id: 'ten_one', slug: 'one', name: 'T one' },
      settings: { endpoints: { a: { path: '/a', method: 'GET' } } },
    },
    workflow: { slug: 'dinner', name: 'Dinner' },
  });
  expect(await facts({ workspaceId: 'ws_two', runId: 'run_2' })).toMatchObject({
    tenant: { id: 'ten_two', settings: {} },
    workflow: null,
  });
  // of another workspace it is not there
  expect((await facts({ workspaceId: 'ws_two', runId: 'run_1' })).workflow).toBeNull();
});

test('knows a change after a moment', async () => {
  let now = 0;
  const facts = createRunFacts(db, { freshMs: 10, now: () => now });
  const name = async () => (await facts({ workspaceId: 'ws_two', runId: 'run_2' })).tenant.name;
  expect(await name()).toBe('T two');
  await db.updateTable('tenants').set({ name: 'New' }).where('id', '=', 'ten_two').execute();
  expect(await name()).toBe('T two');
  now = 11;
  expect(await name()).toBe('New');
});
