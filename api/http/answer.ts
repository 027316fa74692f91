import type { Context } from 'koa';
import { envelope } from './envelope.js';
import type { ApiError } from './errors.js';
import { describeError, type Log } from './log.js';
import { Reply, type CookieChange, type Route } from './route.js';

/** A reply ready to be sent, stored or replayed. */
export interface Answer {
  readonly status: number;
  /** null sends no body. */
  readonly text: string | null;
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly cookies: readonly CookieChange[];
  /** What the text says, for the audit. */
  readonly value: unknown;
}

const json = 'application/json; charset=utf-8';

/** Passes what the handler gave through the row's reply schema: what that does not name does not leave. */
export function answerOf(row: Route, result: unknown, log: Log): Answer {
  const reply = result instanceof Reply ? (result as Reply<unknown>) : new Reply(result);
  const parsed = row.reply.safeParse(reply.body);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, code }) => ({ path: path.join('.'), code }));
    log.error({ route: row.id, issues }, 'reply breaks its schema');
    throw new Error(`the reply of ${row.id} breaks its schema`);
  }
  const status = reply.status ?? row.status ?? 200;
  return {
    status,
    text: status === 204 ? null : textOf(row, parsed.data),
    type: row.produces ?? json,
    headers: reply.headers,
    cookies: reply.cookies,
    value: parsed.data,
  };
}

const textOf = (row: Route, value: unknown): string =>
  row.produces !== undefined && typeof value === 'string' ? value : JSON.stringify(value ?? null);

/** An error as an answer, for what must be repeated later. */
export const answerOfError = (error: ApiError): Answer => ({
  status: error.status,
  text: JSON.stringify(envelope(error)),
  type: json,
  headers: error.headers,
  cookies: [],
  value: undefined,
});

export function sendAnswer(ctx: Context, { status, headers, text, type }: Answer): void {
  ctx.set(headers);
  ctx.status = status;
  if (text === null) return;
  ctx.body = text;
  ctx.set('Content-Type', type);
}

/** Runs work whose failure must not fail the request it belongs to. */
export async function attempt(log: Log, what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    log.error({ err: describeError(error) }, what);
  }
}
