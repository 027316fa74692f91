import { hash, verify } from '@node-rs/argon2';

const MIN_LENGTH = 8;
const MAX_LENGTH = 200;

/** 19 MiB, two passes, one lane: the least OWASP names for argon2id, which is the library's default algorithm. */
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

export const hashPassword = (password: string): Promise<string> => hash(password, cost);

/**
 * Without a hash (no such user) it works as long on a stand-in and answers false, so that the time taken does not tell which
 * e-mail addresses have accounts.
 */
export async function verifyPassword(stored: string | undefined, password: string): Promise<boolean> {
  const right = await verify(stored ?? (await standIn()), password);
  return right && stored !== undefined;
}

let made: Promise<string> | undefined;
const standIn = (): Promise<string> => (made ??= hashPassword('nobody has this password'));

/** What is wrong with a new password, or null. */
export function passwordProblem(password: string, email: string): string | null {
  if (password.length < MIN_LENGTH) return `must have at least ${MIN_LENGTH} characters`;
  if (password.length > MAX_LENGTH) return `must have at most ${MAX_LENGTH} characters`;
  if (password.toLowerCase() === email) return 'must not be the e-mail address';
  return null;
}
