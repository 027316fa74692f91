import { Readable } from 'node:stream';
import type { Context } from 'koa';
import { envelope } from './envelope.js';
import type { ApiError } from './errors.js';
import { describeError, type Log } from './log.js';
import { Download, EventStream, Reply, type CookieChange, type Route } from './route.js';

/** A reply ready to be sent, stored or replayed. */
export interface Answer {
  readonly status: number;
  /** null sends no body. */
  readonly text: string | Buffer | null;
  /** Messages to send instead of a text. */
  readonly stream?: EventStream<unknown>;
  /** Pieces to send instead of a text. */
  readonly download?: Download;
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly cookies: readonly CookieChange[];
  /** What the text says, for the audit. */
  readonly value: unknown;
}

const json = 'application/json; charset=utf-8';

/** Passes what the handler gave through the row's reply schema: what that does not name does not leave. */
export function answerOf(row: Route, result: unknown, log: Log): Answer {
  const sent = {
    status: row.status ?? 200,
    type: typeof row.produces === 'object' ? row.produces[0] : (row.produces ?? json),
    headers: {},
    cookies: [],
  };
  if (result instanceof EventStream) {
    return { ...sent, text: null, stream: presented(row, result as EventStream<unknown>, log), value: undefined };
  }
  if (result instanceof Download) {
    const headers = { 'Content-Disposition': `attachment; filename="${result.filename}"` };
    return { ...sent, type: result.type, headers, text: null, download: result, value: undefined };
  }
  const reply = result instanceof Reply ? (result as Reply<unknown>) : new Reply(result);
  const value = present(row, reply.body, log);
  const status = reply.status ?? sent.status;
  const text = status === 204 ? null : textOf(row, value);
  return { ...sent, status, text, headers: reply.headers, cookies: reply.cookies, value };
}

function present(row: Route, body: unknown, log: Log): unknown {
  const parsed = row.reply.safeParse(body);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, code }) => ({ path: path.join('.'), code }));
  log.error({ route: row.id, issues }, 'reply breaks its schema');
  throw new Error(`the reply of ${row.id} breaks its schema`);
}

/** Every message of a stream is a reply of its own. */
const presented = (row: Route, stream: EventStream<unknown>, log: Log): EventStream<unknown> =>
  new EventStream(async function* (signal) {
    for await (const message of stream.messages(signal)) {
      yield message.data === undefined ? message : { ...message, data: presentOnce(row, message.data, log) };
    }
  }, stream.framing);

const presentedData = new WeakMap<Route, WeakMap<object, unknown>>();

/** The same thing sent to many callers is presented once, and stays the same thing. */
function presentOnce(row: Route, data: unknown, log: Log): unknown {
  if (typeof data !== 'object' || data === null) return present(row, data, log);
  const ofRow = presentedData.get(row) ?? new WeakMap<object, unknown>();
  presentedData.set(row, ofRow);
  const known = ofRow.get(data);
  if (known !== undefined) return known;
  const presented = present(row, data, log);
  ofRow.set(data, presented);
  return presented;
}

const textOf = (row: Route, value: unknown): string | Buffer =>
  row.produces !== undefined && (typeof value === 'string' || Buffer.isBuffer(value))
    ? value
    : JSON.stringify(value ?? null);

/** An error as an answer, for what must be repeated later. */
export const answerOfError = (error: ApiError): Answer => ({
  status: error.status,
  text: JSON.stringify(envelope(error)),
  type: json,
  headers: error.headers,
  cookies: [],
  value: undefined,
});

export function sendAnswer(ctx: Context, { status, headers, text, type, stream, download }: Answer): void {
  ctx.set(headers);
  ctx.status = status;
  if (stream !== undefined) ctx.set('Content-Type', type);
  if (download !== undefined) return sendPieces(ctx, download);
  if (text === null) return;
  ctx.body = text;
  ctx.set('Content-Type', type);
}

/** What breaks off is cut off: the caller is to see that this was not all. */
function sendPieces(ctx: Context, { pieces, type }: Download): void {
  const body = Readable.from(pieces());
  body.once('error', () => ctx.res.destroy());
  ctx.body = body;
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
