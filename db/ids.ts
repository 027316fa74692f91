import { createHash, randomFillSync } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** Ids sort by the time they were made: `run_` and 26 characters, 10 of time and 16 of chance. */
export type IdPrefix =
  | 'ten'
  | 'ws'
  | 'usr'
  | 'ses'
  | 'wst'
  | 'org'
  | 'key'
  | 'jwt'
  | 'dep'
  | 'inv'
  | 'sur'
  | 'idp'
  | 'mail'
  | 'aud'
  | 'def'
  | 'ver'
  | 'run'
  | 'blob'
  | 'sch'
  | 'req'
  | 'evt'
  | 'tool'
  | 'agt'
  | 'atl'
  | 'whe'
  | 'whd'
  | 'ing'
  | 'msg'
  | 'conv'
  | 'dk'
  | 'rot';

export function newId(prefix: IdPrefix, now: number = Date.now()): string {
  return `${prefix}_${encodeTime(now)}${encodeBytes(tenRandomBytes())}`;
}

/** The same id for the same seed and name: what a repeated request creates is created once. */
export function derivedId(prefix: IdPrefix, seed: string): string {
  const digest = createHash('sha256').update(`${prefix}:${seed}`).digest();
  return `${prefix}_${seed.slice(0, 10)}${encodeBytes(digest.subarray(0, 10))}`;
}

/** A seed for `derivedId`: its first ten characters are the time, so that derived ids sort too. */
export const newSeed = (now: number = Date.now()): string => encodeTime(now) + encodeBytes(tenRandomBytes());

/** A call to the system's randomness costs more than an id should, so that one fills many; each byte is used once. */
const pool = Buffer.alloc(10 * 400);
let used = pool.length;

function tenRandomBytes(): Buffer {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += 10;
  return pool.subarray(used - 10, used);
}

function encodeTime(now: number): string {
  let rest = now;
  let text = '';
  for (let i = 0; i < 10; i += 1) {
    text = ALPHABET.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

/** Ten bytes as sixteen characters. */
function encodeBytes(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{5}/g) ?? []).map((five) => ALPHABET.charAt(Number.parseInt(five, 2))).join('');
}
