/** Something a person can put right: shown as its one sentence, without a stack. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** Asked by shape: an error of Node's own is no instance of the `Error` of a test's realm. */
export function messageOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error);
  const message = 'message' in error ? String(error.message) : '';
  if (message === '' && 'errors' in error && Array.isArray(error.errors)) return error.errors.map(messageOf).join('; ');
  return message === '' && codeOf(error) !== undefined ? String(codeOf(error)) : message;
}

/** The system's code of an error, such as `ENOENT`. */
export function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
