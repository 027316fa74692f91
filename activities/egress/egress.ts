import dns from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { Agent, buildConnector, request, type Dispatcher } from 'undici';
import { egressProblem, hostOf, mayConnect, refusedAddress, type EgressRule } from '../../db/egress.js';
import { Fault, invalid, NodeFailure, outOfTime } from '../nodes/failure.js';
import { readText } from './body.js';

export interface EgressRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
  /** The reply's body is cut after so many bytes. */
  readonly replyLimitBytes: number;
  /** On a connection of its own: a kept one may break just as it is used, and then nobody knows what arrived. */
  readonly isFresh?: boolean;
}

export interface EgressReply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly truncated: boolean;
}

/**
 * HTTP to addresses that users name. Refuses everything but public addresses and the operator's list, at the moment
 * each connection is opened; never follows a redirect; uses no proxy. Throws `NodeFailure`.
 */
export interface Egress {
  readonly send: (request: EgressRequest) => Promise<EgressReply>;
  readonly close: () => Promise<void>;
}

type ResolvedAddress = { readonly address: string; readonly family: number };

export interface EgressSettings {
  readonly allow: readonly EgressRule[];
  /** Resolves a name; the system's resolver unless a test brings its own. */
  readonly lookup?: (host: string) => Promise<readonly ResolvedAddress[]>;
}

const CONNECT_TIMEOUT_MS = 10_000;
const CONNECTIONS_PER_ORIGIN = 256;

class RefusedAddress extends Error {
  override readonly name = 'RefusedAddress';
}

const systemLookup = (host: string): Promise<readonly ResolvedAddress[]> => dns.lookup(host, { all: true });

/** Hands on only addresses that may be called, so the socket cannot be opened to any other, whatever DNS says next. */
function guardedLookup({ allow, lookup = systemLookup }: EgressSettings, port: number): LookupFunction {
  return (hostname, options, callback) => {
    const host = hostname.toLowerCase().replace(/\.$/, '');
    lookup(hostname).then(
      (found) => {
        const open = found.filter(({ address }) => mayConnect({ host, address, port }, allow));
        const [first] = open;
        if (first === undefined) callback(new RefusedAddress(refusedAddress(host)), '', 0);
        else if (options.all === true) callback(null, [...open]);
        else callback(null, first.address, first.family);
      },
      (error: Error) => callback(error, '', 0),
    );
  };
}

/** One connector a port, because a lookup is told the name but not the port that the rules speak of. */
function guardedConnector(settings: EgressSettings): buildConnector.connector {
  const connectors = new Map<number, buildConnector.connector>();
  const connectorFor = (port: number): buildConnector.connector => {
    const known = connectors.get(port);
    if (known !== undefined) return known;
    const made = buildConnector({ timeout: CONNECT_TIMEOUT_MS, port, lookup: guardedLookup(settings, port) });
    connectors.set(port, made);
    return made;
  };
  return (options, callback) => {
    const port = Number(options.port) || (options.protocol === 'https:' ? 443 : 80);
    const host = options.hostname.replace(/^\[(.*)\]$/, '$1');
    // a literal address is never looked up, so it is checked here
    if (isIP(host) !== 0 && !mayConnect({ host, address: host, port }, settings.allow))
      callback(new RefusedAddress(refusedAddress(host)), null);
    else connectorFor(port)(options, callback);
  };
}

const flatHeaders = (headers: Dispatcher.ResponseData['headers']): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  );

/** By its shape, since an error of another realm is no instance of ours. */
const codeOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'connection lost';

/** How far a request came: once it is begun its bytes may be on their way. */
interface Progress {
  isBegun: boolean;
}

function asFailure(error: unknown, { url, signal }: EgressRequest, { isBegun }: Progress): NodeFailure {
  const host = hostOf(new URL(url));
  if (error instanceof RefusedAddress) return invalid(Fault.addressRefused, error.message);
  if (signal.aborted) return outOfTime(host, { cause: error, isUnknown: isBegun });
  if (codeOf(error) === 'UND_ERR_INVALID_ARG')
    return invalid(Fault.configInvalid, `The request to ${host} cannot be sent: check its address and headers.`, error);
  const what = isBegun ? `The connection to ${host} broke before its answer came` : `Could not reach ${host}`;
  return new NodeFailure(Fault.network, `${what}: ${codeOf(error)}.`, {
    retryable: true,
    cause: error,
    isUnknown: isBegun,
  });
}

/** Notes the moment a connection stands and the request is about to be written to it. */
const noting =
  (progress: Progress): Dispatcher.DispatcherComposeInterceptor =>
  (dispatch) =>
  (options, handler) => {
    const begin = handler.onRequestStart?.bind(handler);
    handler.onRequestStart = (controller, context) => {
      progress.isBegun = true;
      begin?.(controller, context);
    };
    return dispatch(options, handler);
  };

export function createEgress(settings: EgressSettings): Egress {
  // the caller's signal bounds a request; undici's own limits would cut long but legal waits
  const options = {
    connect: guardedConnector(settings),
    connections: CONNECTIONS_PER_ORIGIN,
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  const kept = new Agent(options);
  // no pipelining means no keep-alive
  const fresh = new Agent({ ...options, pipelining: 0 });
  return {
    send: async (sent) => {
      const problem = egressProblem(sent.url, settings.allow);
      if (problem !== null) throw invalid(Fault.addressRefused, problem);
      const progress: Progress = { isBegun: false };
      try {
        const { method, headers, body = null, signal } = sent;
        const dispatcher = (sent.isFresh === true ? fresh : kept).compose(noting(progress));
        const reply = await request(sent.url, { method, headers, body, signal, dispatcher });
        const cut = await readText(reply.body, sent.replyLimitBytes);
        return { status: reply.statusCode, headers: flatHeaders(reply.headers), ...cut };
      } catch (error) {
        throw asFailure(error, sent, progress);
      }
    },
    close: async () => {
      await Promise.all([kept.close(), fresh.close()]);
    },
  };
}
