import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { createAuditChain, type NewAuditEvent } from '../../db/audit-chain.js';
import { createAuditSeal } from '../../db/audit-seal.js';
import { verifyAudit, type ChainReport } from '../../db/audit-verify.js';
import { openDatabase, type Database } from '../../db/client.js';
import { withScope } from '../../db/scope.js';
import { asOwner, testDatabase, type TestDatabase } from '../support/database.js';
import { seedWorkspaces } from '../support/runs.js';

const masterKey = Buffer.alloc(32, 7);
const seal = createAuditSeal(masterKey);
let database: TestDatabase;
let db: Database;
let append: (event: NewAuditEvent) => Promise<void>;
let ids = 0;

beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
  await seedWorkspaces(db);
  append = createAuditChain({ db, seal });
}, 60_000);
afterAll(() => database.close());
beforeEach(() => tamper('truncate audit_events, audit_heads'));

const eventOf = (more: Partial<NewAuditEvent> = {}): NewAuditEvent => ({
  id: `aud_${(ids += 1)}`,
  workspace_id: 'ws_1',
  tenant_id: undefined,
  actor_type: 'user',
  actor_id: 'usr_1',
  action: 'chains.update',
  entity_type: 'chain',
  entity_id: 'one',
  metadata: { z: 1, a: { é: [1.5, 1e-9, 'two'], b: null } },
  ip: '192.0.2.1',
  request_id: 'req_1',
  before: '{"name": "old",  "n": 1.0}',
  after: '{"name":"new\\u0000"}',
  ...more,
});

const add = async (count: number, more: Partial<NewAuditEvent> = {}): Promise<void> => {
  for (let each = 0; each < count; each += 1) await append(eventOf(more));
};

async function reports(of = seal): Promise<readonly ChainReport[]> {
  const found: ChainReport[] = [];
  for await (const report of verifyAudit(db, of)) found.push(report);
  return found;
}

const problem = async (): Promise<string | undefined> => (await reports())[0]?.problem;

/** As somebody with the password of the database and all its rights. */
const tamper = (statement: string) =>
  asOwner(database.url, async (owner) => {
    await sql`alter table audit_events disable trigger all`.execute(owner);
    await sql.raw(statement).execute(owner);
    await sql`alter table audit_events enable trigger all`.execute(owner);
  });

describe('writing', () => {
  test('counts without a gap in each chain, whatever happens at once', async () => {
    const other = openDatabase({ url: database.url, maxConnections: 3 });
    const second = createAuditChain({ db: other, seal });
    try {
      await Promise.all(
        Array.from({ length: 120 }, (_, index) =>
          (index % 2 === 0 ? append : second)(eventOf({ workspace_id: index % 3 === 0 ? null : 'ws_1' })),
        ),
      );
    } finally {
      await other.destroy();
    }
    expect(await reports()).toMatchObject([
      { chain: 'platform', count: 40, older: 0 },
      { chain: 'ws_1', count: 80, older: 0 },
    ]);
    expect((await reports()).some((report) => report.problem !== undefined)).toBe(false);
  });

  test('an entry that the database refuses takes no other with it', async () => {
    const [first, ...rest] = [eventOf(), eventOf(), eventOf({ before: 'not json' }), eventOf()];
    const settled = await Promise.allSettled([first, ...rest].map((event) => append(event ?? eventOf())));
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(await reports()).toEqual([expect.objectContaining({ chain: 'ws_1', count: 3 })]);
    expect(await problem()).toBeUndefined();
  });

  test('goes where it belongs from any scope, with the organisation of its workspace', async () => {
    await withScope({ workspaceId: 'ws_2', tenantId: 'ten_other' }, () => add(1));
    const row = await db.selectFrom('audit_events').selectAll().executeTakeFirstOrThrow();
    expect(row).toMatchObject({ chain: 'ws_1', seq: 1, tenant_id: 'ten_1', prev_hash: '', before: { name: 'old' } });
  });
});

describe('checking finds', () => {
  test('nothing where nothing was done, and says where each chain ends', async () => {
    await add(3);
    const last = await db.selectFrom('audit_events').select('hash').orderBy('seq', 'desc').executeTakeFirstOrThrow();
    expect(await reports()).toEqual([{ chain: 'ws_1', count: 3, older: 0, hash: last.hash }]);
  });

  test.each([
    ["action = 'chains.read'"],
    ["actor_id = 'usr_2'"],
    ['ip = null'],
    ["before = '{}'"],
    ['after = null'],
    ['metadata = metadata || \'{"z": 2}\''],
    ["created_at = created_at + interval '1 millisecond'"],
    ["tenant_id = 'ten_2'"],
    ["entity_type = 'cha', entity_id = 'inone'"],
  ])('a row where a superuser wrote %s', async (change) => {
    await add(5);
    await tamper(`update audit_events set ${change} where seq = 3`);
    expect(await problem()).toMatch(/^entry 3 \(aud_\d+\) was changed$/);
  });

  test('a row removed in the middle', async () => {
    await add(5);
    await tamper('delete from audit_events where seq = 3');
    expect(await problem()).toBe('entry 3 is missing');
  });

  test('a gap that was closed again by counting anew', async () => {
    await add(5);
    await tamper('delete from audit_events where seq = 3');
    await tamper('update audit_events set seq = seq - 1 where seq > 3');
    expect(await problem()).toMatch(/^entry 3 \(aud_\d+\) was changed$/);
  });

  test('rows removed at the end', async () => {
    await add(5);
    await tamper('delete from audit_events where seq >= 4');
    expect(await problem()).toBe('entry 4 is missing: 5 were written to ws_1');
  });

  test('rows removed at the end with the record of it written anew', async () => {
    await add(5);
    await tamper('delete from audit_events where seq >= 4');
    await tamper('update audit_heads set seq = 3, hash = (select hash from audit_events where seq = 3)');
    expect(await problem()).toBe('the record of its last entry was changed');
    await tamper('delete from audit_heads');
    expect(await problem()).toBe('the record of its last entry was removed');
  });

  test('a whole chain that was emptied', async () => {
    await add(2);
    await tamper('delete from audit_events');
    expect(await problem()).toBe('entry 1 is missing: 2 were written to ws_1');
  });

  test('a row moved here from another chain', async () => {
    await add(2);
    await add(3, { workspace_id: 'ws_2' });
    await tamper("delete from audit_events where chain = 'ws_1' and seq = 2");
    await tamper("update audit_events set chain = 'ws_1', workspace_id = 'ws_1' where chain = 'ws_2' and seq = 2");
    expect(await problem()).toMatch(/^entry 2 \(aud_\d+\) was changed$/);
  });

  test('entries that are sealed under another master key, unless that is given too', async () => {
    await add(1);
    const next = Buffer.alloc(32, 8);
    const [wrong] = await reports(createAuditSeal(next));
    expect(wrong?.problem).toContain('is sealed under another KEELSON_MASTER_KEY');
    await createAuditChain({ db, seal: createAuditSeal(next) })(eventOf());
    expect(await reports(createAuditSeal(next, [masterKey]))).toEqual([expect.objectContaining({ count: 2 })]);
    expect((await reports(createAuditSeal(next, [masterKey])))[0]?.problem).toBeUndefined();
  });
});

test('entries from before there were chains are counted and not judged', async () => {
  const old = { actor_type: 'user', actor_id: 'usr_1', action: 'a', entity_type: 'e', entity_id: 'e', chain: 'ws_1' };
  await db
    .insertInto('audit_events')
    .values({ ...old, id: 'aud_old', workspace_id: 'ws_1', seq: 0 })
    .execute();
  await add(2);
  expect(await reports()).toEqual([expect.objectContaining({ count: 2, older: 1 })]);
  expect(await problem()).toBeUndefined();
});
