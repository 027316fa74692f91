import { hash, verify } from '@node-rs/argon2';

const MIN_LENGTH = 8;
const STRICT_MIN_LENGTH = 14;
const MAX_LENGTH = 200;
const STRICT_CLASSES = 2;
const STRICT_SCORE = 3;
/** The estimate takes longer the longer a password is; what is strong up to here is strong. */
const ESTIMATED_LENGTH = 48;

/** `basic`: sign-up of the Studio surface. `strict`: every other new password. */
export type PasswordPolicy = 'basic' | 'strict';

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

/** What is wrong with a new password, or null. Whether it was used before is asked elsewhere. */
export async function passwordProblem(
  password: string,
  email: string,
  policy: PasswordPolicy = 'basic',
): Promise<string | null> {
  const least = policy === 'strict' ? STRICT_MIN_LENGTH : MIN_LENGTH;
  if (password.length < least) return `must have at least ${least} characters`;
  if (password.length > MAX_LENGTH) return `must have at most ${MAX_LENGTH} characters`;
  if (password.toLowerCase() === email) return 'must not be the e-mail address';
  return policy === 'strict' ? strictProblem(password, email) : null;
}

const classes = [/\p{Ll}/u, /\p{Lu}/u, /\p{Nd}/u, /[^\p{Ll}\p{Lu}\p{Nd}]/u];

async function strictProblem(password: string, email: string): Promise<string | null> {
  if (classes.filter((some) => some.test(password)).length < STRICT_CLASSES) {
    return 'must mix at least two of small letters, capital letters, digits and other characters';
  }
  const estimate = await (estimator ??= loadEstimator());
  const { score, feedback } = estimate(password.slice(0, ESTIMATED_LENGTH), [email, ...email.split(/[@.]/)]);
  if (score >= STRICT_SCORE) return null;
  const why = feedback.warning === null ? '' : ` (${feedback.warning.replace(/\.$/, '')})`;
  return `is too easy to guess${why}: use several words that do not belong together`;
}

interface Estimate {
  readonly score: number;
  readonly feedback: { readonly warning: string | null };
}
type Estimator = (password: string, known: string[]) => Estimate;

let estimator: Promise<Estimator> | undefined;

/** Its word lists take a while to read, so they are read when the first password is to be judged. */
async function loadEstimator(): Promise<Estimator> {
  const [{ ZxcvbnFactory }, common, english] = await Promise.all([
    import('@zxcvbn-ts/core'),
    import('@zxcvbn-ts/language-common'),
    import('@zxcvbn-ts/language-en'),
  ]);
  const zxcvbn = new ZxcvbnFactory({
    dictionary: { ...common.dictionary, ...english.dictionary },
    graphs: common.adjacencyGraphs,
    translations: english.translations,
    // bounds what a password made of nothing but look-alike characters costs
    l33tMaxSubstitutions: 20,
  });
  return (password, known) => zxcvbn.check(password, known);
}
