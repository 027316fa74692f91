import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import pg from 'pg';
import { openDatabase, type Database } from '../../db/client.js';
import { findLogin } from '../../db/identity.js';
import { unscoped, withScope } from '../../db/scope.js';
import { scoped } from '../../db/scoped.js';
import { asOwner, testDatabase, type TestDatabase } from '../support/database.js';
import { foreign, migrators, nobodys, seeds } from '../support/every-table.js';

const own = { workspaceId: 'ws_own', tenantId: 'ten_own' };
const stranger = { workspaceId: 'ws_foreign', tenantId: 'ten_foreign' };

let database: TestDatabase;
let db: Database;
/** By table, as JSON. */
const rows = new Map<string, string>();

beforeAll(async () => {
  database = await testDatabase();
  ({ db } = database);
  await asOwner(database.url, async (owner) => {
    for (const statement of [...Object.values(seeds), ...foreign]) await sql.raw(statement).execute(owner);
    for (const table of Object.keys(seeds)) rows.set(table, await firstRow(owner, table));
  });
}, 60_000);
afterAll(() => database.close());

async function firstRow(owner: Database, table: string): Promise<string> {
  const { rows: found } = await sql<{ row: string }>`select to_jsonb(t)::text as row from ${sql.table(table)} t
    order by t::text like '%foreign%' limit 1`.execute(owner);
  if (found[0] === undefined) throw new Error(`${table} has no row: seed one in test/support/every-table.ts`);
  return found[0].row;
}

/** How many of the seeded rows are there for whoever asks. */
async function count(table: string): Promise<number> {
  const { rows: found } = await sql<{ n: number }>`select count(*)::int as n from ${sql.table(table)} t
    where t::text not like '%foreign%'`.execute(db);
  return found[0]?.n ?? 0;
}

const insertOf = (table: string) =>
  sql`insert into ${sql.table(table)} overriding system value
    select * from jsonb_populate_record(null::${sql.table(table)}, ${rows.get(table)}::jsonb)`.execute(db);

const changed = async (query: ReturnType<typeof sql>): Promise<bigint> =>
  (await query.execute(db)).numAffectedRows ?? 0n;

const tables = Object.keys(seeds);

test('every table of the schema is seeded here, behind a policy, and not the processes’ own', async () => {
  const { rows: found } = await sql<{ name: string; secured: boolean; policies: number; owned: boolean }>`
    select c.relname as name, c.relrowsecurity as secured, c.relowner = 'keelson_app'::regrole as owned,
      (select count(*)::int from pg_policy p where p.polrelid = c.oid) as policies
    from pg_class c where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p', 'm', 'v', 'f')`.execute(
    db,
  );
  const ours = found.filter(({ name }) => !migrators.has(name));
  expect(ours.map(({ name }) => name).toSorted()).toEqual(tables.toSorted());
  expect(ours.filter(({ secured, policies, owned }) => !secured || policies === 0 || owned)).toEqual([]);
});

test('the role of the processes is held to policies', async () => {
  const { rows: found } = await sql`select current_user as name, rolsuper, rolbypassrls, rolcanlogin, rolcreaterole
    from pg_roles where rolname = current_user`.execute(db);
  expect(found).toEqual([
    { name: 'keelson_app', rolsuper: false, rolbypassrls: false, rolcanlogin: false, rolcreaterole: false },
  ]);
  for (const table of migrators) {
    await expect(sql`select from ${sql.table(table)}`.execute(db)).rejects.toThrow('permission denied');
  }
});

describe.each(tables)('%s', (table) => {
  test('shows a foreign scope nothing and lets it change nothing', async () => {
    const column = sql.ref(Object.keys(JSON.parse(rows.get(table) ?? '{}') as object)[0] ?? '');
    await withScope(stranger, async () => {
      expect(await count(table)).toBe(0);
      if (table === 'audit_events') return;
      const mine = sql`t::text not like '%foreign%'`;
      const name = sql.table(table);
      expect(await changed(sql`update ${name} t set ${column} = ${column} where ${mine}`)).toBe(0n);
      if (table !== 'audit_heads') expect(await changed(sql`delete from ${name} t where ${mine}`)).toBe(0n);
    });
  });

  test('takes no row of another workspace', async () => {
    await withScope(stranger, async () => {
      await expect(insertOf(table)).rejects.toThrow('violates row-level security policy');
    });
  });

  test('is there for its own scope and for the system, and for nobody without a scope', async () => {
    expect(await withScope(own, () => count(table))).toBe(nobodys.has(table) ? 0 : await count(table));
    expect(await count(table)).toBeGreaterThan(0);
    expect(await withScope({ workspaceId: '', tenantId: '' }, () => count(table))).toBe(0);
    // an id that reads "everything" is an id like any other
    expect(await withScope({ workspaceId: '*', tenantId: '*' }, () => count(table))).toBe(0);
  });
});

test('a connection that was told nothing sees nothing', async () => {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    await client.query('set role keelson_app');
    for (const table of tables) {
      expect({ table, ...(await client.query(`select count(*)::int as n from ${table}`)).rows[0] }).toEqual({
        table,
        n: 0,
      });
    }
  } finally {
    await client.end();
  }
});

test('a row cannot be given to another workspace, nor hung below a foreign one', async () => {
  await withScope(stranger, async () => {
    const give = db
      .updateTable('definitions')
      .set({ workspace_id: 'ws_own' })
      .where('id', '=', 'def_foreign')
      .execute();
    await expect(give).rejects.toThrow('violates row-level security policy');
    const under = sql`insert into run_steps (run_id, key, node_id, visit, seq, kind, label, status, started_at)
      values ('run_own', 'b/1', 'b', 1, 2, 'test', 'B', 'running', now())`.execute(db);
    await expect(under).rejects.toThrow('violates row-level security policy');
  });
});

test('what was done stays done: processes may neither change, remove nor empty it', async () => {
  for (const statement of [
    'update audit_events set action = action',
    'delete from audit_events',
    'truncate audit_events',
  ]) {
    await expect(sql.raw(statement).execute(db)).rejects.toThrow('permission denied for table audit_events');
  }
  await expect(sql`delete from audit_heads`.execute(db)).rejects.toThrow('permission denied');
  await expect(sql`alter table audit_events disable trigger all`.execute(db)).rejects.toThrow('must be owner');
});

describe('a guest', () => {
  test('is seen where they are a member, and changed only at home', async () => {
    await asOwner(database.url, (owner) =>
      sql`insert into memberships (user_id, workspace_id, role) values ('usr_own', 'ws_foreign', 'viewer')`.execute(
        owner,
      ),
    );
    await withScope(stranger, async () => {
      expect(await db.selectFrom('users').select('id').execute()).toEqual([{ id: 'usr_own' }]);
      const change = db.updateTable('users').set({ name: 'Somebody' }).where('id', '=', 'usr_own').execute();
      await expect(change).rejects.toThrow('violates row-level security policy');
    });
  });
});

describe('a scope', () => {
  test('lasts through a transaction, can be left inside one, and ends with it', async () => {
    await withScope(stranger, async () => {
      await db.transaction().execute(async (trx) => {
        expect(await trx.selectFrom('runs').select('id').execute()).toEqual([]);
        expect(await unscoped(() => trx.selectFrom('runs').select('id').execute())).toHaveLength(1);
        expect(await trx.selectFrom('runs').select('id').execute()).toEqual([]);
      });
    });
    expect(await db.selectFrom('runs').select('id').execute()).toHaveLength(1);
  });

  test('is told anew after a rollback, which takes back what the connection was told', async () => {
    const single = openDatabase({ url: database.url, maxConnections: 1 });
    const seen = () => single.selectFrom('runs').select('id').execute();
    try {
      expect(await seen()).toHaveLength(1);
      const failing = single.transaction().execute(async (trx) => {
        await withScope(stranger, () => trx.selectFrom('runs').select('id').execute());
        throw new Error('not this time');
      });
      await expect(failing).rejects.toThrow('not this time');
      expect(await withScope(stranger, seen)).toEqual([]);
      expect(await seen()).toHaveLength(1);
    } finally {
      await single.destroy();
    }
  });

  test('keeps to its own work when many share the connections', async () => {
    const scopes = Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? own : stranger));
    const found = await Promise.all(
      scopes.map((scope) => withScope(scope, () => db.selectFrom('definitions').select('workspace_id').execute())),
    );
    expect(found).toEqual(scopes.map(({ workspaceId }) => [{ workspace_id: workspaceId }]));
  });
});

test('a sign-in finds its user by the index', async () => {
  expect(await findLogin(db, 'ann@example.com')).toMatchObject({ id: 'usr_own' });
  expect(await findLogin(db, 'nobody@example.com')).toBeUndefined();
});

describe('the policies leave the indexes to the queries that matter', () => {
  const ws = scopedQueries();
  test.each(Object.entries(ws))('%s', async (index, query) => {
    const plan = await withScope(own, () =>
      db.transaction().execute(async (trx) => {
        // so that an index is chosen wherever one may be used, on tables as small as these
        await sql`set local enable_seqscan = off`.execute(trx);
        await sql`set local enable_bitmapscan = off`.execute(trx);
        return sql<Record<string, string>>`explain ${query(trx)}`.execute(trx);
      }),
    );
    const text = plan.rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(text).toMatch(new RegExp(`Index (Only )?Scan( Backward)? using ${index} `));
    expect(text).toContain('Index Cond');
  });
});

function scopedQueries(): Readonly<Record<string, (trx: Database) => ReturnType<typeof sql>>> {
  return {
    runs_workspace: (trx) => sql`${scoped(trx, 'ws_own').select('runs').selectAll().orderBy('id', 'desc').limit(20)}`,
    runs_pkey: (trx) => sql`${trx.selectFrom('runs').selectAll().where('id', '=', 'run_own')}`,
    '(waits_pkey|approvals_workspace)': (trx) =>
      sql`${scoped(trx, 'ws_own').select('waits').selectAll().where('id', '=', 'wait_own')}`,
    run_events_pkey: (trx) =>
      sql`${trx.selectFrom('run_events').selectAll().where('run_id', '=', 'run_own').where('seq', '>', 3).orderBy('seq')}`,
    run_steps_seq: (trx) =>
      sql`${trx.selectFrom('run_steps').selectAll().where('run_id', '=', 'run_own').orderBy('seq')}`,
    audit_events_workspace: (trx) =>
      sql`${trx.selectFrom('audit_events').selectAll().where('workspace_id', '=', 'ws_own').orderBy('seq', 'desc')}`,
  };
}
