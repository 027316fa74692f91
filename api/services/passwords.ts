import { hash, verify } from '@node-rs/argon2';

const MIN_LENGTH = { normal: 8, strict: 14 };
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
export function passwordProblem(
  password: string,
  email: string,
  policy: 'normal' | 'strict' = 'normal',
): string | null {
  const least = MIN_LENGTH[policy];
  if (password.length < least) return `must have at least ${least} characters`;
  if (password.length > MAX_LENGTH) return `must have at most ${MAX_LENGTH} characters`;
  if (password.toLowerCase() === email) return 'must not be the e-mail address';
  if (policy === 'strict' && classesOf(password) < 2) {
    return 'must mix at least two of: small letters, capital letters, digits, other characters';
  }
  return null;
}

const classesOf = (password: string): number =>
  [/\p{Ll}/u, /\p{Lu}/u, /\p{Nd}/u, /[^\p{Ll}\p{Lu}\p{Nd}]/u].filter((kind) => kind.test(password)).length;
