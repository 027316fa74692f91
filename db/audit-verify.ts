import { sql, type Selectable } from 'kysely';
import type { AuditSeal, Verdict } from './audit-seal.js';
import type { Database } from './client.js';
import type { Tables } from './tables.js';

export interface ChainReport {
  readonly chain: string;
  /** Entries under seal. */
  readonly count: number;
  /** Entries from before there were chains. */
  readonly older: number;
  /** Of the last entry; empty without one. */
  readonly hash: string;
  /** The first broken entry and what is wrong with it; undefined: the chain is whole. */
  readonly problem?: string;
}

/** Goes over every chain as it stood at one moment, so that what is written meanwhile does no harm. */
export async function* verifyAudit(db: Database, seal: AuditSeal): AsyncIterable<ChainReport> {
  const trx = await db.startTransaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute();
  try {
    const heads = new Map(
      (await trx.selectFrom('audit_heads').selectAll().execute()).map((head) => [head.chain, head]),
    );
    const { rows } = await sql<{ chain: string; older: number }>`
      select chain, count(*) filter (where seq <= 0)::int as older from audit_events group by chain`.execute(trx);
    const older = new Map(rows.map((row) => [row.chain, row.older]));
    for (const chain of [...new Set([...heads.keys(), ...older.keys()])].toSorted()) {
      const walked = await walk(trx, seal, chain);
      const problem = walked.problem ?? problemOfHead(seal, heads.get(chain), { ...walked, chain });
      const report = { chain, count: walked.count, older: older.get(chain) ?? 0, hash: walked.hash };
      yield problem === undefined ? report : { ...report, problem };
    }
  } finally {
    await trx.rollback().execute();
  }
}

interface Walked {
  readonly count: number;
  readonly hash: string;
  readonly problem?: string;
}

const PAGE = 500;

async function walk(trx: Database, seal: AuditSeal, chain: string): Promise<Walked> {
  let [count, hash] = [0, ''];
  for (;;) {
    const rows = await pageOf(trx, chain, count);
    for (const row of rows) {
      const problem = problemOf(seal, row, { count, hash });
      if (problem !== undefined) return { count, hash, problem };
      count += 1;
      hash = row.hash ?? '';
    }
    if (rows.length < PAGE) return { count, hash };
  }
}

type Stored = Omit<Selectable<Tables['audit_events']>, 'before' | 'after'> & {
  readonly before: string | null;
  readonly after: string | null;
};

/** The json columns as the text they are sealed as. */
const pageOf = (trx: Database, chain: string, after: number): Promise<readonly Stored[]> =>
  trx
    .selectFrom('audit_events')
    .selectAll()
    .select([sql<string | null>`before::text`.as('before'), sql<string | null>`after::text`.as('after')])
    .where('chain', '=', chain)
    .where('seq', '>', after)
    .orderBy('seq')
    .limit(PAGE)
    .$castTo<Stored>()
    .execute();

function problemOf(seal: AuditSeal, row: Stored, { count, hash }: Walked): string | undefined {
  if (row.seq !== count + 1) return `entry ${count + 1} is missing`;
  const name = `entry ${row.seq} (${row.id})`;
  const verdict = seal.checkEntry({ ...row, prev_hash: row.prev_hash ?? '' }, row.hash ?? '');
  if (verdict !== 'right') return `${name} ${said[verdict]}`;
  return row.prev_hash === hash ? undefined : `${name} does not follow the entry before it`;
}

const said: Readonly<Record<Exclude<Verdict, 'right'>, string>> = {
  wrong: 'was changed',
  unknownKey: 'is sealed under another KEELSON_MASTER_KEY, or was changed',
};

function problemOfHead(
  seal: AuditSeal,
  head: Selectable<Tables['audit_heads']> | undefined,
  { chain, count, hash }: Walked & { readonly chain: string },
): string | undefined {
  if (head === undefined) return count === 0 ? undefined : 'the record of its last entry was removed';
  const verdict = seal.checkHead(head, head.mac);
  if (verdict !== 'right') return `the record of its last entry ${said[verdict]}`;
  if (head.seq > count) return `entry ${count + 1} is missing: ${head.seq} were written to ${chain}`;
  return head.seq === count && head.hash === hash ? undefined : `entry ${head.seq + 1} was not written by Keelson`;
}
