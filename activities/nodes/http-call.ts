import type { Json } from '../../workflows/definition/values.js';
import type { Egress, EgressReply, EgressRequest } from '../egress/egress.js';
import { whereOf, type Desk } from './effect.js';
import { Fault, invalid } from './failure.js';
import { customHeaders } from './headers.js';
import { bodyOf } from './reply.js';
import { statusFailure } from './status.js';
import { headerSafe } from './text.js';

/** What `http` nodes and workspace tools write down; strings are templates. */
export interface CallConfig {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly query?: Readonly<Record<string, string>> | undefined;
  readonly body?: Json | undefined;
}

/** A call ready to be made, all but its key. */
export interface PreparedCall {
  readonly method: EgressRequest['method'];
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

const REPLY_LIMIT_BYTES = 8 * 1024 * 1024;
const METHODS: readonly string[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] satisfies EgressRequest['method'][];

const isMethod = (method: string): method is EgressRequest['method'] => METHODS.includes(method);

function methodOf({ method, body }: CallConfig): EgressRequest['method'] {
  const upper = method.toUpperCase();
  if (!isMethod(upper)) throw invalid(Fault.configInvalid, `method: "${method}" is none of ${METHODS.join(', ')}.`);
  if (upper === 'GET' && body !== undefined)
    throw invalid(Fault.configInvalid, 'body: a GET carries none; use query, or another method.');
  return upper;
}

function withQuery(url: string, query: Readonly<Record<string, string>>): string {
  const entries = Object.entries(query);
  if (entries.length === 0 || !URL.canParse(url)) return url;
  const full = new URL(url);
  for (const [name, value] of entries) full.searchParams.append(name, value);
  return full.href;
}

/** Renders everything; whatever is wrong fails here, before anything is sent. */
export async function prepareCall(config: CallConfig, { templates }: Desk): Promise<PreparedCall> {
  const method = methodOf(config);
  const url = (await templates.render('url', config.url)).trim();
  const query = await templates.renderAll('query', config.query ?? {});
  const custom = customHeaders(await templates.renderAll('headers', config.headers ?? {}));
  const base = { accept: 'application/json, */*', 'user-agent': 'Keelson' };
  const own = { 'accept-encoding': 'identity' };
  const call = { method, url: withQuery(url, query) };
  if (config.body === undefined) return { ...call, headers: { ...base, ...custom, ...own } };
  const body = await templates.resolve('body', config.body);
  const isText = typeof body === 'string';
  const type = { 'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json' };
  return { ...call, headers: { ...base, ...type, ...custom, ...own }, body: isText ? body : JSON.stringify(body) };
}

/** What the ledger hashes and a test run shows. Headers are left out of it: credentials may be renewed in between. */
export const requestOf = ({ method, url, body }: PreparedCall): Json => ({ method, url, body: body ?? null });

export const whatOf = ({ method, url }: PreparedCall): string => `${method} ${whereOf(url)}`;

export interface CallOptions {
  readonly workspaceId: string;
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
  readonly redactText: (text: string) => string;
  /** Taken as success; 2xx without it. */
  readonly acceptStatus?: readonly number[] | undefined;
  readonly isFresh?: boolean;
}

/** Answers `{status, headers, body}`, with `truncated: true` when the body was cut at 8 MiB; else a `NodeFailure`. */
export async function makeCall(egress: Egress, call: PreparedCall, options: CallOptions): Promise<Json> {
  const { workspaceId, idempotencyKey, signal, redactText, acceptStatus, isFresh = false } = options;
  const headers = { ...call.headers, 'idempotency-key': headerSafe(idempotencyKey) };
  const sent = { ...call, workspaceId, headers, signal, replyLimitBytes: REPLY_LIMIT_BYTES, isFresh };
  const reply = await egress.send(sent);
  const { status } = reply;
  const isAccepted = acceptStatus === undefined ? status >= 200 && status < 300 : acceptStatus.includes(status);
  if (!isAccepted) throw statusFailure({ field: 'url', redactText }, reply);
  const receipt = { status, headers: shownHeaders(reply), body: bodyOf(reply) };
  return reply.truncated ? { ...receipt, truncated: true } : receipt;
}

/** Cookies are credentials of the peer's making. */
const shownHeaders = ({ headers }: EgressReply): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'set-cookie'));

/** The body of a receipt, whoever wrote it. */
export function bodyOfReceipt(receipt: Json): Json {
  const has = receipt !== null && typeof receipt === 'object' && 'body' in receipt;
  return has ? (receipt.body ?? null) : null;
}
