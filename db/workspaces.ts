import { randomBytes } from 'node:crypto';
import { sql, type Selectable } from 'kysely';
import type { Json } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import type { Role, Tables } from './tables.js';

export type WorkspaceRow = Selectable<Tables['workspaces']>;

export interface NewWorkspace {
  readonly id: string;
  readonly tenantId: string;
  readonly parentId: string | null;
  readonly name: string;
  readonly settings?: Readonly<Record<string, Json>>;
  readonly maxConcurrentTasks?: number;
}

const SLUG_LENGTH = 40;

/** Slugs are unique over the whole platform (public ingress names them): a taken one gets a random tail. Repeating an id inserts nothing. */
export async function insertWorkspace(db: Database, workspace: NewWorkspace): Promise<WorkspaceRow> {
  const wanted = slugOf(workspace.name);
  for (let slug = wanted; ; slug = `${wanted}-${randomBytes(3).toString('hex')}`) {
    const row = await db
      .insertInto('workspaces')
      .values({
        id: workspace.id,
        tenant_id: workspace.tenantId,
        parent_id: workspace.parentId,
        slug,
        name: workspace.name,
        settings: JSON.stringify(workspace.settings ?? {}),
        ...(workspace.maxConcurrentTasks === undefined ? {} : { max_concurrent_tasks: workspace.maxConcurrentTasks }),
      })
      .onConflict((conflict) => conflict.doNothing())
      .returningAll()
      .executeTakeFirst();
    const made =
      row ?? (await db.selectFrom('workspaces').selectAll().where('id', '=', workspace.id).executeTakeFirst());
    if (made !== undefined) return made;
  }
}

export function slugOf(name: string): string {
  const slug = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[\u0300-\u036f'’]/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, SLUG_LENGTH)
    .replace(/^-+|-+$/g, '');
  return slug === '' ? 'workspace' : slug;
}

/** A live workspace. */
export const findWorkspace = (db: Database, id: string): Promise<WorkspaceRow | undefined> =>
  db.selectFrom('workspaces').selectAll().where('id', '=', id).where('deleted_at', 'is', null).executeTakeFirst();

/** The roles a user holds in a live workspace and its ancestors. */
export async function findRoles(
  db: Database,
  asked: { readonly userId: string; readonly workspaceId: string },
): Promise<readonly Role[]> {
  const { rows } = await sql<{ role: Role }>`
    with recursive line as (
      select id, parent_id from workspaces where id = ${asked.workspaceId} and deleted_at is null
      union
      select p.id, p.parent_id from workspaces p join line on p.id = line.parent_id where p.deleted_at is null
    )
    select m.role from memberships m join line on line.id = m.workspace_id where m.user_id = ${asked.userId}`.execute(
    db,
  );
  return rows.map((row) => row.role);
}

export interface WorkspacePage {
  readonly total: number;
  readonly rows: readonly (WorkspaceRow & { readonly roles: readonly Role[] })[];
}

export type ListedFor =
  { readonly userId: string } | { readonly workspaceId: string } | { readonly tenantId: string } | 'everybody';

/** By name. For a user: where they are a member, and everything below. */
export async function listWorkspaces(
  db: Database,
  asked: { readonly who: ListedFor; readonly limit: number; readonly offset: number },
): Promise<WorkspacePage> {
  const { rows } = await sql<WorkspacePage['rows'][number] & { total: number }>`
    with recursive reach as (${reachOf(asked.who)}
      union
      select w.id, reach.role from workspaces w join reach on w.parent_id = reach.id
    ), held as (select id, array_remove(array_agg(role), null) as roles from reach group by id)
    select w.*, held.roles, count(*) over ()::int as total
    from workspaces w join held on held.id = w.id where w.deleted_at is null
    order by w.name, w.id limit ${asked.limit} offset ${asked.offset}`.execute(db);
  return { total: rows[0]?.total ?? (await countReach(db, asked.who, asked.offset)), rows };
}

function reachOf(who: ListedFor): ReturnType<typeof sql> {
  if (who === 'everybody') return sql`select id, null::text as role from workspaces`;
  if ('tenantId' in who) return sql`select id, null::text as role from workspaces where tenant_id = ${who.tenantId}`;
  return 'userId' in who
    ? sql`select workspace_id as id, role from memberships where user_id = ${who.userId}`
    : sql`select id, null::text as role from workspaces where id = ${who.workspaceId}`;
}

/** A page beyond the end has no row to carry the total. */
async function countReach(db: Database, who: ListedFor, offset: number): Promise<number> {
  return offset === 0 ? 0 : (await listWorkspaces(db, { who, limit: 1, offset: 0 })).total;
}

/** Whether `ancestorId` is `workspaceId` or stands above it. */
export async function isWithin(
  db: Database,
  asked: { readonly workspaceId: string; readonly ancestorId: string },
): Promise<boolean> {
  const { rows } = await sql<{ within: boolean }>`
    with recursive line as (
      select id, parent_id from workspaces where id = ${asked.workspaceId}
      union
      select p.id, p.parent_id from workspaces p join line on p.id = line.parent_id
    )
    select exists (select from line where id = ${asked.ancestorId}) as within`.execute(db);
  return rows[0]?.within ?? false;
}

/** One change of a tenant's tree at a time, until the transaction ends: two moves at once could close a circle. */
export async function lockTree(trx: Database, tenantId: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`workspaces/${tenantId}`}, 0))`.execute(trx);
}

export interface WorkspaceChange {
  readonly name?: string;
  readonly parentId?: string | null;
  readonly settings?: Readonly<Record<string, Json>>;
  readonly maxConcurrentTasks?: number;
}

/** Settings named are replaced one by one; the others stay. */
export const updateWorkspace = (db: Database, id: string, change: WorkspaceChange): Promise<WorkspaceRow | undefined> =>
  db
    .updateTable('workspaces')
    .set({
      updated_at: sql<Date>`now()`,
      settings: sql<string>`settings || ${JSON.stringify(change.settings ?? {})}::jsonb`,
      ...(change.name === undefined ? {} : { name: change.name }),
      ...(change.parentId === undefined ? {} : { parent_id: change.parentId }),
      ...(change.maxConcurrentTasks === undefined ? {} : { max_concurrent_tasks: change.maxConcurrentTasks }),
    })
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .returningAll()
    .executeTakeFirst();

export interface TreeRow {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly parent_id: string | null;
}

const TREE_DEPTH = 64;

/** A workspace and what is below it, by name; deeper than 64 levels nothing is shown. */
export async function listSubtree(db: Database, id: string): Promise<readonly TreeRow[]> {
  const { rows } = await sql<TreeRow>`
    with recursive tree as (
      select id, name, slug, parent_id, 1 as depth from workspaces where id = ${id} and deleted_at is null
      union all
      select w.id, w.name, w.slug, w.parent_id, tree.depth + 1
      from workspaces w join tree on w.parent_id = tree.id where w.deleted_at is null and tree.depth < ${TREE_DEPTH}
    )
    select id, name, slug, parent_id from tree order by name, id`.execute(db);
  return rows;
}

export interface InUse {
  readonly children: number;
  readonly openRuns: number;
}

/** Waits for starts that are under way (they hold a share of the row) before it counts. */
export async function countUse(trx: Database, id: string): Promise<InUse> {
  await trx.selectFrom('workspaces').select('id').where('id', '=', id).forUpdate().execute();
  const { rows } = await sql<InUse>`
    select
      (select count(*)::int from workspaces where parent_id = ${id} and deleted_at is null) as children,
      (select count(*)::int from runs where workspace_id = ${id} and status in ('queued', 'running', 'waiting', 'paused')) as "openRuns"`.execute(
    trx,
  );
  return rows[0] ?? { children: 0, openRuns: 0 };
}

/** Its tokens, keys and invitations die and its schedules are marked for removal with it. */
export async function deleteWorkspace(trx: Database, id: string): Promise<void> {
  const now = sql<Date>`now()`;
  await trx.updateTable('workspaces').set({ deleted_at: now, updated_at: now }).where('id', '=', id).execute();
  for (const table of ['workspace_tokens', 'api_keys', 'member_invitations'] as const) {
    await trx
      .updateTable(table)
      .set({ revoked_at: now })
      .where('workspace_id', '=', id)
      .where('revoked_at', 'is', null)
      .execute();
  }
  await trx
    .updateTable('schedules')
    .set((row) => ({ deleted_at: now, updated_at: now, enabled: false, revision: row('revision', '+', 1) }))
    .where('workspace_id', '=', id)
    .where('deleted_at', 'is', null)
    .execute();
}
