import { sql } from 'kysely';
import type { Json } from '../workflows/definition/values.js';
import type { AuditSeal, SealedEntry } from './audit-seal.js';
import type { Database } from './client.js';
import { unscoped } from './scope.js';

/** The chain of what belongs to no workspace. */
export const PLATFORM_CHAIN = 'platform';

export interface NewAuditEvent {
  readonly id: string;
  readonly workspace_id: string | null;
  /** undefined: the workspace's. */
  readonly tenant_id: string | null | undefined;
  readonly actor_type: string;
  readonly actor_id: string;
  readonly action: string;
  readonly entity_type: string;
  readonly entity_id: string;
  readonly metadata: Readonly<Record<string, Json>>;
  readonly ip: string | null;
  readonly request_id: string | null;
  /** JSON text. */
  readonly before: string | null;
  readonly after: string | null;
}

interface Waiting {
  readonly event: NewAuditEvent;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

const MOST_AT_ONCE = 100;

/**
 * Puts entries at the end of their chains. What comes while a chain is being written waits and goes into its next
 * transaction with all others that did, so that a busy workspace is not held to one entry a commit.
 */
export function createAuditChain(deps: {
  readonly db: Database;
  readonly seal: AuditSeal;
}): (event: NewAuditEvent) => Promise<void> {
  const queues = new Map<string, Waiting[]>();
  const drain = async (chain: string, queue: Waiting[]): Promise<void> => {
    while (queue.length > 0) await settle(deps, chain, queue.splice(0, MOST_AT_ONCE));
    queues.delete(chain);
  };
  return (event) =>
    new Promise((done, failed) => {
      const chain = event.workspace_id ?? PLATFORM_CHAIN;
      const waiting = { event, done, failed };
      const queue = queues.get(chain);
      if (queue !== undefined) return void queue.push(waiting);
      const fresh = [waiting];
      queues.set(chain, fresh);
      void drain(chain, fresh);
    });
}

type Deps = Parameters<typeof createAuditChain>[0];

/** One that the database refuses takes no other with it. */
async function settle(deps: Deps, chain: string, batch: readonly Waiting[]): Promise<void> {
  try {
    await append(
      deps,
      chain,
      batch.map(({ event }) => event),
    );
    for (const { done } of batch) done();
  } catch (error) {
    const [first, ...others] = batch;
    if (others.length === 0) return first?.failed(error);
    for (const one of batch) await settle(deps, chain, [one]);
  }
}

/** The log is the system's: whoever acts, in whatever scope, an entry goes where it belongs. */
function append({ db, seal }: Deps, chain: string, events: readonly NewAuditEvent[]): Promise<void> {
  return unscoped(() =>
    db.transaction().execute(async (trx) => {
      const head = await lockHead(trx, chain);
      let { seq, hash } = head;
      const rows = events.map((event) => {
        const tenant = event.tenant_id === undefined ? head.tenant_id : event.tenant_id;
        const metadata = JSON.stringify(event.metadata);
        const place = { chain, seq: ++seq, prev_hash: hash, created_at: head.at };
        const entry: SealedEntry = { ...event, ...place, tenant_id: tenant, metadata: JSON.parse(metadata) };
        hash = seal.entry(entry);
        return { ...entry, metadata, hash };
      });
      await trx.insertInto('audit_events').values(rows).execute();
      const mac = seal.head({ chain, seq, hash });
      await trx.updateTable('audit_heads').set({ seq, hash, mac }).where('chain', '=', chain).execute();
    }),
  );
}

interface LockedHead {
  readonly seq: number;
  readonly hash: string;
  readonly tenant_id: string | null;
  /** In milliseconds, so that it is read as it was written. */
  readonly at: Date;
}

/** Makes the head where there is none; its row is held until the transaction ends, so that numbers have no gap. */
async function lockHead(trx: Database, chain: string): Promise<LockedHead> {
  const { rows } = await sql<LockedHead>`
    insert into audit_heads (chain, seq, hash, mac) values (${chain}, 0, '', '')
    on conflict (chain) do update set seq = audit_heads.seq
    returning seq, hash, date_trunc('milliseconds', clock_timestamp()) as at,
      (select w.tenant_id from workspaces w where w.id = chain) as tenant_id`.execute(trx);
  const [head] = rows;
  if (head === undefined) throw new Error(`the audit chain ${chain} has no head`);
  return head;
}
