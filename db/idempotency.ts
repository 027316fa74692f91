import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { sql, type RawBuilder } from 'kysely';
import type { Database } from './client.js';
import { newSeed } from './ids.js';

/** One keyed request: the same key may be used by other actors and on other routes. */
export interface KeyedRequest {
  /** Workspace and actor. */
  readonly scope: string;
  readonly route: string;
  readonly key: string;
  /** Hash of everything that makes the request the same. */
  readonly bodyHash: string;
}

export type Claim =
  /** Ours to run; the seed is the first claimer's if that one crashed. */
  | { readonly kind: 'run'; readonly seed: string }
  | { readonly kind: 'running' }
  | { readonly kind: 'otherBody' }
  | { readonly kind: 'done'; readonly status: number; readonly reply: string };

export interface StoredAnswer {
  readonly status: number;
  readonly reply: string;
}

export interface IdempotencyStore {
  readonly claim: (request: KeyedRequest) => Promise<Claim>;
  /** Keeps a claim that takes long from being taken over. */
  readonly renew: (request: KeyedRequest) => Promise<void>;
  readonly finish: (request: KeyedRequest, answer: StoredAnswer) => Promise<void>;
  /** Nothing was answered for good: the next one with this key runs again, with the same seed. */
  readonly release: (request: KeyedRequest) => Promise<void>;
  /** Nothing happened at all: the key is free again. */
  readonly forget: (request: KeyedRequest) => Promise<void>;
  /** Removes up to a thousand keys older than a day. */
  readonly purge: () => Promise<void>;
}

export function createIdempotencyStore(db: Database, { leaseSeconds = 15 } = {}): IdempotencyStore {
  const lease = sql<Date>`now() + make_interval(secs => ${leaseSeconds})`;
  return {
    claim: (request) => claim(db, request, lease),
    renew: async (request) => {
      await open(db, request).set({ claimed_until: lease }).execute();
    },
    finish: async (request, { status, reply }) => {
      await open(db, request)
        .set({ status, reply: seal(request, reply) })
        .execute();
    },
    release: async (request) => {
      await open(db, request)
        .set({ claimed_until: sql<Date>`'-infinity'` })
        .execute();
    },
    forget: async (request) => {
      await db
        .deleteFrom('idempotency_keys')
        .where((eb) => eb.and(rowOf(request)))
        .where('status', 'is', null)
        .execute();
    },
    purge: async () => {
      await sql`delete from idempotency_keys where ctid in (
        select ctid from idempotency_keys where created_at < now() - interval '24 hours' limit 1000)`.execute(db);
    },
  };
}

/** The request's row while it has no answer yet. */
const open = (db: Database, request: KeyedRequest) =>
  db
    .updateTable('idempotency_keys')
    .where((eb) => eb.and(rowOf(request)))
    .where('status', 'is', null);

const rowOf = ({ scope, route, key }: KeyedRequest) => ({ scope, route, key: digest('key', key) });

async function claim(db: Database, request: KeyedRequest, lease: RawBuilder<Date>): Promise<Claim> {
  const row = { ...rowOf(request), seed: newSeed(), body_hash: request.bodyHash, claimed_until: lease };
  const mine = await db
    .insertInto('idempotency_keys')
    .values(row)
    .onConflict((oc) =>
      oc
        .columns(['scope', 'route', 'key'])
        .doUpdateSet({ claimed_until: lease })
        .where('idempotency_keys.status', 'is', null)
        .where('idempotency_keys.claimed_until', '<', sql<Date>`now()`)
        .where('idempotency_keys.body_hash', '=', request.bodyHash),
    )
    .returning('seed')
    .executeTakeFirst();
  if (mine !== undefined) return { kind: 'run', seed: mine.seed };
  const first = await db
    .selectFrom('idempotency_keys')
    .select(['body_hash', 'status', 'reply'])
    .where((eb) => eb.and(rowOf(request)))
    .executeTakeFirst();
  // forgotten or purged between the two statements: the caller asks again
  if (first === undefined) return { kind: 'running' };
  if (first.body_hash !== request.bodyHash) return { kind: 'otherBody' };
  if (first.status === null || first.reply === null) return { kind: 'running' };
  return { kind: 'done', status: first.status, reply: unseal(request, first.reply) };
}

/**
 * An answer may hold what is shown only once (a new token), so it is stored under a key made of the Idempotency-Key,
 * of which the table knows only the hash.
 */
function seal(request: KeyedRequest, text: string): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', sealKey(request), iv);
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64');
}

function unseal(request: KeyedRequest, stored: string): string {
  const bytes = Buffer.from(stored, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', sealKey(request), bytes.subarray(0, 12));
  decipher.setAuthTag(bytes.subarray(12, 28));
  return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
}

const sealKey = ({ scope, route, key }: KeyedRequest): Buffer =>
  createHash('sha256')
    .update(JSON.stringify(['reply', scope, route, key]))
    .digest();

const digest = (purpose: string, text: string): string =>
  createHash('sha256').update(`${purpose}:${text}`).digest('hex');
