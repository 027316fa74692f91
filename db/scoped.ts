import type {
  DeleteQueryBuilder,
  DeleteResult,
  Insertable,
  InsertQueryBuilder,
  InsertResult,
  Selectable,
  SelectQueryBuilder,
  UpdateQueryBuilder,
  UpdateResult,
} from 'kysely';
import type { Database } from './client.js';
import type { Tables } from './tables.js';

/** The tables whose every row belongs to one workspace. */
export type ScopedTable = {
  [T in keyof Tables]: Tables[T] extends { workspace_id: string } ? T : never;
}[keyof Tables];

type NoColumns = Record<never, never>;

/**
 * Queries that cannot forget the workspace: another workspace's row is simply not there. `id` is the row's key
 * within the workspace: its `id`, a secret's `name`, a membership's `user_id`.
 * Soft-deleted rows are still found: say `.where('deleted_at', 'is', null)` where a table has them.
 */
export interface Scoped {
  readonly get: <T extends ScopedTable>(table: T, id: string) => Promise<Selectable<Tables[T]> | undefined>;
  readonly select: <T extends ScopedTable>(table: T) => SelectQueryBuilder<Tables, T, NoColumns>;
  readonly insert: <T extends ScopedTable>(
    table: T,
    row: Omit<Insertable<Tables[T]>, 'workspace_id'>,
  ) => InsertQueryBuilder<Tables, T, InsertResult>;
  readonly update: <T extends ScopedTable>(table: T, id: string) => UpdateQueryBuilder<Tables, T, T, UpdateResult>;
  readonly delete: <T extends ScopedTable>(table: T, id: string) => DeleteQueryBuilder<Tables, T, DeleteResult>;
}

/** `db` may be a transaction. */
export function scoped(db: Database, workspaceId: string): Scoped {
  return {
    get: async (table, id) => {
      const one = asOne(table);
      const row = await db
        .selectFrom(one)
        .selectAll(one)
        .where(`${one}.workspace_id`, '=', workspaceId)
        .where(keyOf(table), '=', id)
        .executeTakeFirst();
      return row as never; // -- reason: `asOne` gave every table the type of one; the signature says which it is
    },
    select: (table) => {
      const one = asOne(table);
      const query = db.selectFrom(one).where(`${one}.workspace_id`, '=', workspaceId);
      return query as never; // -- reason: as in `get`
    },
    insert: (table, row) => {
      const values = { ...row, workspace_id: workspaceId };
      const query = db.insertInto(asOne(table)).values(values as never); // -- reason: as in `get`
      return query as never; // -- reason: as in `get`
    },
    update: (table, id) => {
      const query = db.updateTable(asOne(table)).where('workspace_id', '=', workspaceId).where(keyOf(table), '=', id);
      return query as never; // -- reason: as in `get`
    },
    delete: (table, id) => {
      const query = db.deleteFrom(asOne(table)).where('workspace_id', '=', workspaceId).where(keyOf(table), '=', id);
      return query as never; // -- reason: as in `get`
    },
  };
}

/** Kysely cannot type a query over "some table": inside this file all scoped tables look like one of them. */
const asOne = (table: ScopedTable): 'definitions' => table as 'definitions';

const keys: Partial<Record<ScopedTable, string>> = { secrets: 'name', memberships: 'user_id' };
const keyOf = (table: ScopedTable): 'definitions.id' => `${table}.${keys[table] ?? 'id'}` as 'definitions.id';
