import { sql, type RawBuilder } from 'kysely';
import type { Database } from '../client.js';
import { newId } from '../ids.js';
import type { DataKeys } from './data-keys.js';
import { DamagedSecret } from './errors.js';
import { ROOT_SCOPE } from './open.js';
import { sealedColumns, type SealedColumn } from './sealed-columns.js';
import type { Vault } from './vault.js';

export interface RotationDeps {
  readonly db: Database;
  readonly dataKeys: DataKeys;
  readonly vault: Vault;
  /** Between two batches it may stop; the next call goes on. */
  readonly signal?: AbortSignal;
  /** Rows sealed anew between two looks at the signal. */
  readonly batchSize?: number;
}

export interface RotationResult {
  readonly isFinished: boolean;
  readonly madeKeys: number;
  readonly resealed: number;
  /** Where rows lie that could not be opened and stay as they are; never what they hold. */
  readonly damaged: readonly string[];
  readonly retiredKeys: number;
  readonly removedKeys: number;
}

/**
 * A new data key for each scope, and everything sealed anew under it, while processes read and write. All that is done
 * shows in the rows themselves, so a rotation that was cut off is taken up where it stopped.
 */
export async function rotateDataKeys(deps: RotationDeps): Promise<RotationResult> {
  const { db } = deps;
  await db
    .insertInto('key_rotations')
    .values({ id: newId('rot'), finished_at: null })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const removedKeys = await removeForgottenKeys(db);
  const madeKeys = await makeKeys(deps);
  const done = { resealed: 0, damaged: [] as string[] };
  for (const column of sealedColumns) {
    if (!isStopped(deps)) await resealColumn(deps, column, done);
  }
  if (isStopped(deps)) return { isFinished: false, madeKeys, ...done, retiredKeys: 0, removedKeys };
  const retiredKeys = await retireKeys(db);
  await db
    .updateTable('key_rotations')
    .set({ finished_at: sql<Date>`now()` })
    .where('finished_at', 'is', null)
    .execute();
  return { isFinished: true, madeKeys, ...done, retiredKeys, removedKeys };
}

const isStopped = ({ signal }: RotationDeps): boolean => signal?.aborted ?? false;

/** Scopes whose newest key is older than the rotation. */
async function makeKeys({ db, dataKeys, signal }: RotationDeps): Promise<number> {
  const { rows } = await sql<{ scope: string; version: number }>`
    select scope, max(version) as version from data_keys
    where scope <> ${ROOT_SCOPE}
    group by scope
    having max(created_at) < (select started_at from key_rotations where finished_at is null)
    order by scope`.execute(db);
  let made = 0;
  for (const { scope, version } of rows) {
    if (signal?.aborted === true) break;
    // whoever cannot open what is there must not seal either
    await dataKeys.newest(scope);
    if ((await dataKeys.add(scope, version + 1)) !== null) made += 1;
  }
  return made;
}

type Row = Readonly<Record<string, string | null>>;

async function resealColumn(
  deps: RotationDeps,
  column: SealedColumn,
  done: { resealed: number; damaged: string[] },
): Promise<void> {
  for (let after: Row | undefined; !isStopped(deps);) {
    const rows = await staleRows(deps, column, after);
    for (const row of rows) {
      const isDone = await resealRow(deps, column, row);
      if (isDone) done.resealed += 1;
      else done.damaged.push(`${column.table} ${column.key.map((name) => row[name]).join('/')}`);
    }
    after = rows.at(-1);
    if (after === undefined) return;
  }
}

const keyIdOf = (column: string): RawBuilder<string> => sql<string>`split_part(${sql.ref(column)}, ':', 2)`;
const tuple = (parts: readonly RawBuilder<unknown>[]): RawBuilder<unknown> => sql`(${sql.join([...parts])})`;

/** The next rows in the order of their key that are not sealed with the newest key of their scope. */
async function staleRows(
  { db, batchSize = 100 }: RotationDeps,
  { table, column, key, reads }: SealedColumn,
  after: Row | undefined,
): Promise<readonly Row[]> {
  const keys = key.map((name) => sql.ref(`t.${name}`));
  const selected = [...key, ...reads, column].map((name) => sql.ref(`t.${name}`));
  const beyond =
    after === undefined ? sql`true` : sql`${tuple(keys)} > ${tuple(key.map((name) => sql`${after[name]}`))}`;
  const { rows } = await sql<Row>`
    select ${sql.join(selected)} from ${sql.table(table)} t
    join data_keys used on used.id = ${keyIdOf(`t.${column}`)}
    where ${beyond}
      and exists (select 1 from data_keys newer where newer.scope = used.scope and newer.version > used.version)
    order by ${sql.join(keys)} limit ${batchSize}`.execute(db);
  return rows;
}

/** False when it cannot be opened. A row that somebody wrote meanwhile is under the newest key already. */
async function resealRow(
  { db, vault }: RotationDeps,
  { table, column, key, refOf }: SealedColumn,
  row: Row,
): Promise<boolean> {
  const sealed = row[column] ?? '';
  const ref = refOf(row);
  const plaintext = await vault.open(ref, sealed).catch((error: unknown) => {
    if (error instanceof DamagedSecret) return null;
    throw error;
  });
  if (plaintext === null) return false;
  const renewed = await vault.seal(ref, plaintext);
  const isRow = sql.join(
    key.map((name) => sql`${sql.ref(name)} = ${row[name]}`),
    sql` and `,
  );
  await sql`update ${sql.table(table)} set ${sql.ref(column)} = ${renewed}
    where ${isRow} and ${sql.ref(column)} = ${sealed}`.execute(db);
  return true;
}

/** The ids of keys that something is sealed with. */
const usedKeys = (): RawBuilder<unknown> =>
  sql.join(
    sealedColumns.map(
      ({ table, column }) =>
        sql`select ${keyIdOf(column)} from ${sql.table(table)} where ${sql.ref(column)} is not null`,
    ),
    sql` union `,
  );

/** Nothing is under them any more. They stay for a while, for who read a row just before it was sealed anew. */
async function retireKeys(db: Database): Promise<number> {
  const { numAffectedRows } = await sql`
    update data_keys old set retired_at = now()
    where retired_at is null
      and exists (select 1 from data_keys newer where newer.scope = old.scope and newer.version > old.version)
      and id not in (${usedKeys()})`.execute(db);
  return Number(numAffectedRows ?? 0n);
}

/** Retired more than a day ago, and still nothing is under them. */
async function removeForgottenKeys(db: Database): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from data_keys where retired_at < now() - interval '1 day' and id not in (${usedKeys()})`.execute(db);
  return Number(numAffectedRows ?? 0n);
}
