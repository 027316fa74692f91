import { conflict } from '../http/errors.js';

const UNIQUE_VIOLATION = '23505';

/** For the `catch` of a write: 409 with this sentence where the name is somebody else's already. */
export const takenName = (sentence: string) => (error: unknown) => {
  const { code } = error as { readonly code?: unknown };
  if (code !== UNIQUE_VIOLATION) throw error;
  throw conflict(sentence);
};
