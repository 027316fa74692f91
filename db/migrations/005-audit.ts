import { sql, type Kysely } from 'kysely';

/**
 * The audit log as a chain for each workspace: `seq` counts without a gap from 1, `hash` is keyed and covers the row and
 * the hash before it. What was written before there were chains has numbers up to 0 and no hash.
 */
const statements = [
  `alter table audit_events add column tenant_id text, add column ip text, add column before json, add column after json,
    add column chain text, add column seq int, add column prev_hash text, add column hash text`,
  `alter table audit_events disable trigger audit_append_only`,
  `update audit_events e set chain = coalesce(e.workspace_id, 'platform'), seq = old.place,
      tenant_id = (select w.tenant_id from workspaces w where w.id = e.workspace_id)
    from (select id, (row_number() over chain - count(*) over (partition by coalesce(workspace_id, 'platform')))::int as place
      from audit_events window chain as (partition by coalesce(workspace_id, 'platform') order by created_at, id)) old
    where old.id = e.id`,
  `alter table audit_events enable trigger audit_append_only`,
  `alter table audit_events alter column chain set not null, alter column seq set not null,
    add check (seq <= 0 or (hash is not null and prev_hash is not null))`,
  `create unique index audit_events_chain on audit_events (chain, seq)`,
  `drop index audit_events_workspace`,
  `create index audit_events_workspace on audit_events (workspace_id, seq desc)`,
  // the end of each chain, under a seal of its own: entries cut off at the end are missed
  `create table audit_heads (
    chain text primary key,
    seq int not null,
    hash text not null,
    mac text not null
  )`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
