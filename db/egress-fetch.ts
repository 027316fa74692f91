import type { Dispatcher } from 'undici';
import { hostOf, type EgressLimits } from './egress.js';
import {
  createEgressClient,
  EgressError,
  type EgressClient,
  type EgressSettings,
  type OutgoingReply,
} from './egress-client.js';

export interface FetchLimits {
  /** Of one call with all its redirects; default 10 s. */
  readonly timeoutMs?: number;
  /** A larger answer fails, since half of one is no answer; default 1 MiB. */
  readonly replyLimitBytes?: number;
  /** What the organisation it is made for allows and denies. */
  readonly limits?: EgressLimits;
}

const MOST_REDIRECTS = 3;
const TIMEOUT_MS = 10_000;
const REPLY_LIMIT_BYTES = 1024 * 1024;

/** The one client as a `fetch`, for libraries that want one: at most three redirects, each checked as the first address was. */
export const guardedFetch = (settings: EgressSettings & FetchLimits): typeof fetch =>
  fetchOver(createEgressClient(settings), settings);

export function fetchOver(client: EgressClient, options: FetchLimits = {}): typeof fetch {
  return async (input, init) => {
    const asked = new Request(input, init);
    const call: Call = {
      method: asked.method,
      url: asked.url,
      headers: Object.fromEntries(asked.headers),
      ...(asked.body === null ? {} : { body: Buffer.from(await asked.arrayBuffer()) }),
    };
    const signal = AbortSignal.any([asked.signal, AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS)]);
    return follow(client, call, { redirect: asked.redirect, signal, options });
  };
}

interface Call {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

interface Following {
  readonly redirect: Request['redirect'];
  readonly signal: AbortSignal;
  readonly options: FetchLimits;
}

async function follow(client: EgressClient, first: Call, { redirect, signal, options }: Following): Promise<Response> {
  let call = first;
  for (let followed = 0; ; followed += 1) {
    const reply = await sendOnce(client, call, { signal, options });
    const next = redirect === 'manual' ? undefined : nextCall(call, reply);
    if (next === undefined) return responseOf(call, reply);
    if (redirect === 'error' || followed === MOST_REDIRECTS) throw redirected(call.url);
    call = next;
  }
}

async function sendOnce(
  client: EgressClient,
  call: Call,
  { signal, options }: Pick<Following, 'signal' | 'options'>,
): Promise<OutgoingReply> {
  const { replyLimitBytes = REPLY_LIMIT_BYTES, limits } = options;
  const headers = { 'user-agent': 'Keelson', ...call.headers, 'accept-encoding': 'identity' };
  // -- reason: `Request` takes any token as a method, and the client refuses what it does not know
  const method = call.method as Dispatcher.HttpMethod;
  const reply = await client.send({ ...call, method, headers, signal, replyLimitBytes, limits });
  if (!reply.truncated) return reply;
  const host = hostOf(new URL(call.url));
  throw new EgressError('too_large', `The answer of ${host} is larger than ${replyLimitBytes} bytes.`, { host });
}

const redirected = (url: string): EgressError => {
  const host = hostOf(new URL(url));
  return new EgressError(
    'redirected',
    `${host} redirects more often than ${MOST_REDIRECTS} times, or where it may not.`,
    {
      host,
    },
  );
};

const isRedirect = (status: number): boolean => [301, 302, 303, 307, 308].includes(status);

/** What to ask next, or undefined when the reply is the answer. */
function nextCall({ body, ...call }: Call, reply: OutgoingReply): Call | undefined {
  const to = destination(call, reply);
  if (to === undefined) return undefined;
  const isSame = to.origin === new URL(call.url).origin;
  // what may be a credential stays with the origin it was meant for
  const headers = isSame ? call.headers : only(call.headers, /^(accept|accept-language|content-type|user-agent)$/);
  const { status } = reply;
  const becomesGet = status === 303 || (status < 303 && call.method === 'POST');
  if (becomesGet) return { method: 'GET', url: to.href, headers: only(headers, /^(?!content-)/) };
  return { ...call, url: to.href, headers, ...(body === undefined ? {} : { body }) };
}

function destination({ url }: Pick<Call, 'url'>, { status, headers }: OutgoingReply): URL | undefined {
  const location = headers['location']?.[0];
  if (!isRedirect(status) || location === undefined || !URL.canParse(location, url)) return undefined;
  const to = new URL(location, url);
  if (url.startsWith('https:') && to.protocol !== 'https:') throw redirected(url);
  return to;
}

const only = (headers: Call['headers'], name: RegExp): Call['headers'] =>
  Object.fromEntries(Object.entries(headers).filter(([key]) => name.test(key)));

/** Statuses that a `Response` may have no body with. */
const bodiless = new Set([204, 205, 304]);

function responseOf({ url }: Call, { status, headers, bytes }: OutgoingReply): Response {
  const lines = Object.entries(headers).flatMap(([name, values]) =>
    values.map((value): [string, string] => [name, value]),
  );
  const body = bodiless.has(status) ? null : new Uint8Array(bytes);
  const response = new Response(body, { status, headers: lines });
  Object.defineProperty(response, 'url', { value: url });
  return response;
}
