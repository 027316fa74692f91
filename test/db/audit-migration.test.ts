import { expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { sql, type Kysely } from 'kysely';
import { up as foundation } from '../../db/migrations/001-foundation.js';
import { up as engine } from '../../db/migrations/003-engine.js';
import { up as identity } from '../../db/migrations/004-identity.js';
import { up as audit } from '../../db/migrations/005-audit.js';
import { asOwner, testPostgres } from '../support/database.js';

test('entries from before the chains keep their order, with numbers up to 0 in each chain', async () => {
  const server = await testPostgres();
  const name = `old_${randomBytes(6).toString('hex')}`;
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  await asOwner(server.url, (db) => sql.raw(`create database ${name}`).execute(db));
  const rows = await asOwner(url.href, async (db) => {
    // -- reason: a migration knows no tables
    const bare = db as unknown as Kysely<unknown>;
    for (const up of [foundation, engine, identity]) await up(bare);
    await sql`insert into tenants (id, name, slug) values ('ten_1', 'T', 't')`.execute(db);
    await sql`insert into workspaces (id, tenant_id, slug, name) values ('ws_1', 'ten_1', 'w', 'W')`.execute(db);
    await sql`insert into audit_events (id, workspace_id, actor_type, actor_id, action, entity_type, entity_id, created_at)
      values ('c', 'ws_1', 't', 'a', 'x', 'e', 'e', '2026-01-01'), ('a', 'ws_1', 't', 'a', 'x', 'e', 'e', '2026-01-02'),
        ('b', null, 't', 'a', 'x', 'e', 'e', '2026-01-03'), ('d', 'ws_1', 't', 'a', 'x', 'e', 'e', '2026-01-03')`.execute(
      db,
    );
    await audit(bare);
    await expect(sql`delete from audit_events`.execute(db)).rejects.toThrow('append-only');
    return (await sql`select id, chain, seq, tenant_id, hash from audit_events order by chain, seq`.execute(db)).rows;
  });
  await asOwner(server.url, (db) => sql.raw(`drop database ${name}`).execute(db));
  const old = { chain: 'ws_1', tenant_id: 'ten_1', hash: null };
  expect(rows).toEqual([
    { id: 'b', chain: 'platform', seq: 0, tenant_id: null, hash: null },
    { ...old, id: 'c', seq: -2 },
    { ...old, id: 'a', seq: -1 },
    { ...old, id: 'd', seq: 0 },
  ]);
});
