import { request, type Dispatcher } from 'undici';
import { egressProblem, hostOf, type EgressLimits } from './egress.js';
import { createAgentPool, type EgressSettings } from './egress-agents.js';
import { readBytes } from './egress-body.js';
import { EgressError } from './egress-error.js';

export type { EgressSettings } from './egress-agents.js';
export { EgressError, type EgressFault } from './egress-error.js';

export interface OutgoingRequest {
  readonly method: Dispatcher.HttpMethod;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly signal: AbortSignal;
  /** The reply's body is cut after so many bytes. */
  readonly replyLimitBytes: number;
  /** On a connection of its own: a kept one may break just as it is used, and then nobody knows what arrived. */
  readonly isFresh?: boolean;
  /** What the organisation it is made for allows and denies. */
  readonly limits?: EgressLimits | undefined;
}

export interface OutgoingReply {
  readonly status: number;
  /** Names in lower case; a name that came several times has several values. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly bytes: Buffer;
  readonly truncated: boolean;
}

/**
 * The one way out: HTTP to addresses that others name. Refuses everything but public addresses and the operator's list,
 * at the moment each connection is opened; never follows a redirect; uses no proxy. Throws `EgressError`.
 */
export interface EgressClient {
  readonly send: (request: OutgoingRequest) => Promise<OutgoingReply>;
  readonly close: () => Promise<void>;
}

export function createEgressClient(settings: EgressSettings): EgressClient {
  const agents = createAgentPool(settings);
  return {
    send: async (sent) => {
      const problem = egressProblem(sent.url, settings.allow, sent.limits);
      if (problem !== null) throw new EgressError('refused', problem, { host: hostIn(sent.url) });
      const { kept, fresh } = agents.under(sent.limits);
      const progress: Progress = { isBegun: false };
      try {
        const { method, headers, body = null, signal } = sent;
        const dispatcher = (sent.isFresh === true ? fresh : kept).compose(noting(progress));
        const reply = await request(sent.url, { method, headers, body, signal, dispatcher });
        const cut = await readBytes(reply.body, sent.replyLimitBytes);
        return { status: reply.statusCode, headers: headerLists(reply.headers), ...cut };
      } catch (error) {
        throw asEgressError(error, sent, progress);
      }
    },
    close: agents.close,
  };
}

const hostIn = (url: string): string => (URL.canParse(url) ? hostOf(new URL(url)) : url.slice(0, 100));

const headerLists = (headers: Dispatcher.ResponseData['headers']): Record<string, readonly string[]> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value : [value ?? '']]),
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

function asEgressError(error: unknown, { url, signal }: OutgoingRequest, { isBegun }: Progress): EgressError {
  if (error instanceof EgressError) return error;
  const host = hostIn(url);
  const more = { host, cause: error };
  if (signal.aborted)
    return new EgressError('timeout', `${host} did not answer within the time limit.`, { ...more, isUnknown: isBegun });
  if (codeOf(error) === 'UND_ERR_INVALID_ARG')
    return new EgressError('invalid', `The request to ${host} cannot be sent: check its address and headers.`, more);
  const what = isBegun ? `The connection to ${host} broke before its answer came` : `Could not reach ${host}`;
  return new EgressError('network', `${what}: ${codeOf(error)}.`, { ...more, isUnknown: isBegun });
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
