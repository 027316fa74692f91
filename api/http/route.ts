import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';
import type { Location, Role } from '../../db/tables.js';
import type { Actor, Auth, Capability } from '../actor.js';
import type { MfaNeed } from '../services/asked.js';
import type { Services } from '../services/index.js';
import type { WantedScope } from '../services/scopes.js';
import type { SocketSpec } from './sockets.js';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/**
 * Rate limits by class: `auth` 20 a minute an address; `public` 600 a minute an address and path; `api` 1,200 a minute an
 * actor, or 100 for an API key that has no limit of its own. `local` is as `public`, counted in this process alone: such a
 * route answers without a database.
 */
export type RateClass = 'auth' | 'public' | 'api' | 'local';

/** `'/a/:id/b/:bid'` -> `'id' | 'bid'`, so a handler cannot read a parameter its path does not have. */
export type ParamName<P extends string> = P extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamName<`/${Rest}`>
  : P extends `${string}:${infer Name}`
    ? Name
    : never;

export interface Request<P extends string, Q, B> {
  readonly actor: Actor;
  readonly params: { readonly [K in ParamName<P>]: string };
  readonly query: Q;
  readonly body: B;
  /** The body's bytes as they came; empty without a body. Signatures are made over these. */
  readonly rawBody: Buffer;
  readonly headers: IncomingHttpHeaders;
  /** Path and query as they were sent: some signatures are made over these too. */
  readonly url: string;
  readonly cookies: Readonly<Record<string, string>>;
  /** The caller's address. */
  readonly ip: string;
  /** Where that is, as a trusted proxy says. */
  readonly location: Location | null;
  readonly requestId: string;
  /** Stable over repeats of one Idempotency-Key: ids derived from it are the same each time. */
  readonly seed: string;
}

export interface CookieChange {
  readonly name: string;
  /** null removes the cookie. */
  readonly value: string | null;
  readonly path: string;
  readonly maxAgeSeconds: number;
}

/** A reply that is more than a body. */
export class Reply<T> {
  readonly body: T;
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly cookies: readonly CookieChange[];
  constructor(
    body: T,
    more: {
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly cookies?: readonly CookieChange[];
    } = {},
  ) {
    this.body = body;
    this.status = more.status;
    this.headers = more.headers ?? {};
    this.cookies = more.cookies ?? [];
  }
}

/** `text/event-stream`, which a row that answers an `EventStream` produces. */
export const eventStreamType = 'text/event-stream';

export interface StreamMessage<T> {
  /** What the client sends as Last-Event-ID when it comes back; alone, it only moves that on. */
  readonly id?: string;
  readonly event?: string;
  readonly data?: T;
}

/** How a stream is sent beside its messages. */
export interface Framing {
  /** The comment it opens with; null: none, and the connection is kept. Default `open`. */
  readonly opening?: null;
  /** The comment after every so many seconds in which nothing was said; default `still here`, said in any case. */
  readonly heartbeat?: () => string;
}

/** A reply that goes on: messages as they come, until they end, the caller leaves or the API stops. */
export class EventStream<T> {
  /** Ends soon after the signal is raised. */
  readonly messages: (signal: AbortSignal) => AsyncIterable<StreamMessage<T>>;
  readonly framing: Framing;
  constructor(messages: EventStream<T>['messages'], framing: Framing = {}) {
    this.messages = messages;
    this.framing = framing;
  }
}

/** A reply as a file of any length, sent as it is made; a row that answers one says its types in `produces`. */
export class Download {
  readonly type: string;
  readonly filename: string;
  readonly pieces: () => AsyncIterable<string>;
  constructor({ type, filename, pieces }: Pick<Download, 'type' | 'filename' | 'pieces'>) {
    this.type = type;
    this.filename = filename;
    this.pieces = pieces;
  }
}

/** Deeply readonly, so that services may answer what nobody may change. */
export type Frozen<T> = T extends Date
  ? T
  : T extends readonly (infer Each)[]
    ? readonly Frozen<Each>[]
    : T extends object
      ? { readonly [K in keyof T]: Frozen<T[K]> }
      : T;

export interface RouteSpec<P extends string, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType> {
  /** `resource.verb`: the operationId, the audit action and the name of its tests. */
  readonly id: string;
  readonly method: Method;
  readonly path: P;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly tag: string;
  readonly auth: Auth;
  readonly can?: Capability;
  /** Of `tenant` rows; of several, any will do. A wildcard of its namespace grants it too. */
  readonly scope?: WantedScope;
  /** The weakest role in the organisation that may; of `tenant` rows. */
  readonly role?: Role;
  /** Default `normal`. */
  readonly mfa?: MfaNeed;
  /** Only for people who proved their e-mail address; default false. */
  readonly verified?: boolean;
  /** Default `api`. */
  readonly rate?: RateClass;
  /** Honours Idempotency-Key: every creating or running POST. */
  readonly idempotent?: boolean;
  /** The audit entry; false: none. Default: every method but GET is recorded under the route's id. */
  readonly audit?:
    | false
    | {
        readonly action?: string;
        readonly entity: string;
        /** false: before and after are not looked up, as for what only starts something. */
        readonly snapshot?: false;
      };
  readonly query?: Q;
  readonly body?: B;
  /** Content types besides JSON; a `text/plain` body arrives as a string. */
  readonly accepts?: readonly ('text/plain' | 'application/x-www-form-urlencoded')[];
  /** Largest body in bytes; default 1 MiB. */
  readonly bodyLimit?: number;
  /** What a body, query or parameter that breaks its schema answers; default 422. */
  readonly invalidStatus?: 400 | 422;
  /** Of a stream: the data of one message. */
  readonly reply: R;
  /** Content type of a reply that is sent as it stands (`reply` is then a string or bytes), or all it may have; default JSON. */
  readonly produces?: string | readonly [string, ...string[]];
  /** Default 200; 204 sends no body. */
  readonly status?: number;
  /** Statuses beyond 401, 403, 422, 429 and 500 that the route answers, with when. */
  readonly errors?: Readonly<Record<number, string>>;
  /** What an upgrade to a WebSocket opens; see `socketRoute`. */
  readonly socket?: SocketSpec;
  readonly handle: (
    request: Request<P, z.output<Q>, z.output<B>>,
    services: Services,
  ) => Promise<Frozen<z.input<R>> | Reply<Frozen<z.input<R>>> | EventStream<Frozen<z.input<R>>> | Download>;
}

/** The erased row the mounter, the OpenAPI writer and the coverage test all read. */
export type Route = RouteSpec<string, z.ZodType, z.ZodType, z.ZodType>;

export function route<
  const P extends string,
  R extends z.ZodType,
  Q extends z.ZodType = z.ZodUnknown,
  B extends z.ZodType = z.ZodUnknown,
>(spec: RouteSpec<P, Q, B, R>): Route {
  // -- reason: rows of different shapes stand in one table; `route` itself checked this one
  return spec as unknown as Route;
}
