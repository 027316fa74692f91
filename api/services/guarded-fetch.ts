import dns from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { Agent, request, type Dispatcher } from 'undici';
import { egressProblem, hostOf, mayConnect, portOf, refusedAddress, type EgressRule } from '../../db/egress.js';
import { ApiError } from '../http/errors.js';

export interface FetchOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

export type GuardedFetch = (url: string, options: FetchOptions) => Promise<Response>;

type Resolved = readonly { readonly address: string; readonly family: number }[];

export interface GuardSettings {
  readonly allow: readonly EgressRule[];
  /** Resolves a name; the system's resolver unless a test brings its own. */
  readonly lookup?: (name: string) => Promise<Resolved>;
}

const systemLookup = (name: string): Promise<Resolved> => dns.lookup(name, { all: true });

const TIMEOUT_MS = 10_000;
const MAX_REPLY_BYTES = 1_048_576;

/**
 * `fetch` to addresses that users name: public ones and the operator's list alone, checked again for what a name resolves
 * to as the connection is opened; no redirect is followed, no reply is unpacked, time and size are bounded.
 */
export const guardedFetch =
  (settings: GuardSettings): GuardedFetch =>
  async (url, { method = 'GET', headers = {}, body, signal }) => {
    const problem = egressProblem(url, settings.allow);
    if (problem !== null) throw new ApiError(502, problem);
    const target = new URL(url);
    const lookup = guardedLookup(settings, portOf(target));
    const agent = new Agent({ connect: { lookup, timeout: TIMEOUT_MS }, maxResponseSize: MAX_REPLY_BYTES });
    const until = AbortSignal.timeout(TIMEOUT_MS);
    try {
      const reply = await request(target, {
        method: method as Dispatcher.HttpMethod, // -- reason: our own callers name a method
        headers: { ...headers },
        body: bodyOf(body),
        signal: signal === undefined ? until : AbortSignal.any([signal, until]),
        dispatcher: agent,
      });
      return await responseOf(reply);
    } finally {
      await agent.destroy();
    }
  };

/** Only addresses that may be called are handed on, so that the socket can be opened to no other. */
const guardedLookup =
  ({ allow, lookup = systemLookup }: GuardSettings, port: number): LookupFunction =>
  (name, options, callback) => {
    const host = hostOf(new URL(`http://${name}`));
    lookup(name).then(
      (found) => {
        const open = found.filter(({ address }) => mayConnect({ host, address, port }, allow));
        const [first] = open;
        if (first === undefined) callback(new ApiError(502, refusedAddress(host)), '', 0);
        else if (options.all === true) callback(null, [...open]);
        else callback(null, first.address, first.family);
      },
      (error: Error) => callback(error, '', 0),
    );
  };

function bodyOf(body: unknown): string | Uint8Array | null {
  if (body === undefined || body === null) return null;
  if (typeof body === 'string' || body instanceof Uint8Array) return body;
  if (body instanceof URLSearchParams) return body.toString();
  throw new TypeError('a body is text, bytes or a form');
}

const bodiless = new Set([204, 205, 304]);

async function responseOf({ statusCode, headers, body }: Dispatcher.ResponseData): Promise<Response> {
  const bytes = await body.arrayBuffer();
  const pairs = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((each): [string, string] => [name, each]),
  );
  return new Response(bodiless.has(statusCode) ? null : bytes, { status: statusCode, headers: pairs });
}
