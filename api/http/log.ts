import type { Logger } from 'pino';
import { isSensitive } from './redact.js';

/** What the kit needs of the logger. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** Values whose name says they are secret are left out; the rest is cut to a length fit for a log. */
export function redactValues(values: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      isSensitive(name) ? '[redacted]' : String(value).slice(0, 200),
    ]),
  );
}

/** What may be logged of an error: a database error's `detail` and `parameters` hold users' data and stay out. */
export function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code } = error as { readonly code?: unknown };
  return {
    type: error.name,
    message: error.message,
    stack: error.stack,
    ...(code === undefined ? {} : { code }),
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}
