import { createHash } from 'node:crypto';

const MOST_KNOWN = 10_000;

interface Known<T> {
  readonly value: T;
  /** Seconds since 1970. */
  readonly endsAt: number;
}

/**
 * What verified tokens said, until they end: a signature that was right once stays right, and checking it costs more than all else
 * that is done with it. Tokens are known by their SHA-256. Whether their session still lives is not known here.
 */
export function createKnownTokens<T>(
  verify: (token: string) => Promise<Known<T> | null>,
): (token: string) => Promise<T | null> {
  const known = new Map<string, Known<T>>();
  return async (token) => {
    const name = createHash('sha256').update(token).digest('base64');
    const before = known.get(name);
    if (before !== undefined && before.endsAt > Date.now() / 1_000) return before.value;
    known.delete(name);
    const found = await verify(token);
    if (found === null) return null;
    const [oldest] = known.keys();
    if (known.size >= MOST_KNOWN && oldest !== undefined) known.delete(oldest);
    known.set(name, found);
    return found.value;
  };
}
