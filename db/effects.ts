import { sql } from 'kysely';
import type { NodeError } from '../workflows/contract/failures.js';
import type { RunRef } from '../workflows/contract/run.js';
import type { Json } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';

/** The side-effect ledger: a row is claimed before the effect and gets its receipt after it. */

export interface EffectClaim {
  readonly key: string;
  readonly run: RunRef;
  readonly nodeId: string;
  readonly kind: string;
  /** Of what is sent, secrets taken out. */
  readonly requestHash: string;
  readonly round: number;
}

export type Claimed =
  /** It is ours to carry out; `claims` fences later writes. */
  | { readonly state: 'claimed'; readonly claims: number }
  | { readonly state: 'done'; readonly receipt: Json; readonly requestHash: string; readonly round: number }
  /** Somebody claimed it and never wrote how it went. */
  | {
      readonly state: 'unknown';
      readonly claims: number;
      readonly requestHash: string;
      readonly round: number;
      readonly claimedAt: Date;
    };

/** Claims an effect never tried, or tried and known not to have happened; says so when it is done or unknown. */
export async function claimEffect(db: Database, claim: EffectClaim): Promise<Claimed> {
  for (;;) {
    if (await insertClaim(db, claim)) return { state: 'claimed', claims: 1 };
    const row = await findEffect(db, claim);
    if (row === undefined) continue;
    const { claims, round, request_hash: requestHash } = row;
    if (row.status === 'done') return { state: 'done', receipt: row.receipt, requestHash, round };
    if (row.status === 'claimed') return { state: 'unknown', claims, requestHash, round, claimedAt: row.claimed_at };
    const again = await reclaimEffect(db, claim, { status: 'failed', claims });
    if (again !== null) return { state: 'claimed', claims: again };
  }
}

async function insertClaim(
  db: Database,
  { key, run, nodeId, kind, requestHash, round }: EffectClaim,
): Promise<boolean> {
  const row = {
    key,
    run_id: run.runId,
    node_id: nodeId,
    kind,
    status: 'claimed',
    request_hash: requestHash,
    round,
  } as const;
  const inserted = await scoped(db, run.workspaceId)
    .insert('effects', { ...row, receipt: null, error: null, settled_at: null })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .returning('key')
    .executeTakeFirst();
  return inserted !== undefined;
}

const findEffect = (db: Database, { key, run }: EffectClaim) =>
  scoped(db, run.workspaceId).select('effects').selectAll().where('key', '=', key).executeTakeFirst();

/** Claims a row found in this state once more: its new count, or null when somebody was faster. */
export async function reclaimEffect(
  db: Database,
  { key, run, kind, requestHash, round }: EffectClaim,
  found: { readonly status: 'claimed' | 'failed' | 'done'; readonly claims?: number },
): Promise<number | null> {
  const row = await db
    .updateTable('effects')
    .set((eb) => ({
      status: 'claimed',
      kind,
      claims: eb('claims', '+', 1),
      request_hash: requestHash,
      round,
      receipt: null,
      error: null,
      claimed_at: sql<Date>`clock_timestamp()`,
      settled_at: null,
    }))
    .where('workspace_id', '=', run.workspaceId)
    .where('key', '=', key)
    .where('status', '=', found.status)
    .$if(found.claims !== undefined, (query) => query.where('claims', '=', found.claims ?? 0))
    .returning('claims')
    .executeTakeFirst();
  return row?.claims ?? null;
}

interface Settled {
  readonly key: string;
  readonly run: RunRef;
}

/** Whoever saw it happen writes the receipt, also after another claimed it again: the first receipt stays. */
export async function settleEffect(db: Database, { key, run }: Settled, receipt: Json): Promise<void> {
  await db
    .updateTable('effects')
    .set({ status: 'done', receipt: JSON.stringify(receipt), error: null, settled_at: sql<Date>`clock_timestamp()` })
    .where('workspace_id', '=', run.workspaceId)
    .where('key', '=', key)
    .where('status', '<>', 'done')
    .execute();
}

/** Only its own claim may be called off: another attempt may be under way by now. */
export async function failEffect(
  db: Database,
  { key, run }: Settled,
  { claims, error }: { readonly claims: number; readonly error: NodeError },
): Promise<void> {
  await db
    .updateTable('effects')
    .set({ status: 'failed', error: JSON.stringify(error), settled_at: sql<Date>`clock_timestamp()` })
    .where('workspace_id', '=', run.workspaceId)
    .where('key', '=', key)
    .where('status', '=', 'claimed')
    .where('claims', '=', claims)
    .execute();
}
