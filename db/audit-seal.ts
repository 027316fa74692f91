import { createHmac } from 'node:crypto';
import { deriveKey, equalSecrets } from './crypto.js';

/** What a hash is made over: the row as it is stored, the json columns as their text. */
export interface SealedEntry {
  readonly chain: string;
  readonly seq: number;
  readonly prev_hash: string;
  readonly id: string;
  readonly workspace_id: string | null;
  readonly tenant_id: string | null;
  readonly actor_type: string;
  readonly actor_id: string;
  readonly action: string;
  readonly entity_type: string;
  readonly entity_id: string;
  readonly metadata: unknown;
  readonly ip: string | null;
  readonly request_id: string | null;
  readonly before: string | null;
  readonly after: string | null;
  readonly created_at: Date;
}

export interface Head {
  readonly chain: string;
  readonly seq: number;
  readonly hash: string;
}

/** `unknownKey`: made under a key that was not given. */
export type Verdict = 'right' | 'wrong' | 'unknownKey';

export interface AuditSeal {
  readonly entry: (entry: SealedEntry) => string;
  readonly head: (head: Head) => string;
  readonly checkEntry: (entry: SealedEntry, hash: string) => Verdict;
  readonly checkHead: (head: Head, mac: string) => Verdict;
}

/** Hashes are `<key id>.<hmac>`: made with the current master key, checked with that and with earlier ones. */
export function createAuditSeal(masterKey: Buffer, earlier: readonly Buffer[] = []): AuditSeal {
  const current = keyOf(masterKey);
  const keys = new Map([current, ...earlier.map(keyOf)].map((key) => [key.id, key]));
  const check = (text: string, hash: string): Verdict => {
    const key = keys.get(hash.split('.')[0] ?? '');
    if (key === undefined) return 'unknownKey';
    return equalSecrets(sign(key, text), hash) ? 'right' : 'wrong';
  };
  return {
    entry: (entry) => sign(current, entryText(entry)),
    head: (head) => sign(current, headText(head)),
    checkEntry: (entry, hash) => check(entryText(entry), hash),
    checkHead: (head, mac) => check(headText(head), mac),
  };
}

interface Key {
  readonly id: string;
  readonly bytes: Buffer;
}

const keyOf = (masterKey: Buffer): Key => ({
  id: deriveKey(masterKey, 'audit-id').subarray(0, 4).toString('hex'),
  bytes: deriveKey(masterKey, 'audit'),
});

const sign = ({ id, bytes }: Key, text: string): string =>
  `${id}.${createHmac('sha256', bytes).update(text).digest('hex')}`;

const headText = ({ chain, seq, hash }: Head): string => JSON.stringify(['head', chain, seq, hash]);

/** A list in one order, so that a value can neither move to another field nor melt into the next. */
const entryText = (entry: SealedEntry): string =>
  JSON.stringify([
    ...['entry', entry.chain, entry.seq, entry.prev_hash, entry.id, entry.workspace_id, entry.tenant_id],
    ...[entry.actor_type, entry.actor_id, entry.action, entry.entity_type, entry.entity_id, sorted(entry.metadata)],
    ...[entry.ip, entry.request_id, entry.before, entry.after, entry.created_at.toISOString()],
  ]);

/** The database keeps no order of keys. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => Number(a > b) - Number(a < b));
  return entries.map(([name, inner]) => [name, sorted(inner)]);
}
