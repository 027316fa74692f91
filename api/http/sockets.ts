import type { z } from 'zod';
import type { Actor } from '../actor.js';
import type { Services } from '../services/index.js';
import { ApiError } from './errors.js';
import { route, type Route, type RouteSpec } from './route.js';

/** Why a socket is closed: the protocol's own codes, and 4000 plus the HTTP status for what a request would be refused with. */
export const closings = {
  restart: { code: 1012, reason: 'service restart' },
  broken: { code: 1011, reason: 'internal error' },
  unavailable: { code: 1013, reason: 'try again later' },
  badFrames: { code: 1008, reason: 'too many bad frames' },
  tooSlow: { code: 4408, reason: 'too slow' },
  tooFast: { code: 4429, reason: 'too many frames' },
} as const;

export interface Closing {
  readonly code: number;
  readonly reason: string;
}

/** A reason has room for 123 bytes. */
export function closingOf(error: unknown): Closing {
  if (!(error instanceof ApiError) || error.status === 500) return closings.broken;
  if (error.status >= 500) return closings.unavailable;
  return { code: 4000 + error.status, reason: Buffer.from(error.message).subarray(0, 120).toString() };
}

/** An open socket as the work behind it sees it. */
export interface Socket<Q = unknown> {
  readonly actor: Actor;
  readonly query: Q;
  /** Raised when it is over, whoever ended it. */
  readonly signal: AbortSignal;
  /** What is sent after the end goes nowhere. */
  readonly send: (frame: string) => void;
  /** Resolves when what was sent has been taken but for a little; a client that takes nothing for long is closed. */
  readonly room: () => Promise<void>;
  readonly close: (closing: Closing) => void;
}

/** Takes the frames of a client one after the other; what it throws of `ApiError` is answered by an `error` frame. */
export type FrameListener = (frame: unknown) => Promise<void>;

export interface SocketSpec {
  /** Frames of clients; one that does not fit is answered by an `error` frame. */
  readonly sent: z.ZodType;
  /** Frames of the server, for the documents. */
  readonly received: z.ZodType;
  /** Who a token lets in that is no credential of the API; null: nobody. */
  readonly guest?: Guest;
  readonly open: (socket: Socket, services: Services) => Promise<FrameListener>;
}

type Guest = (token: string, services: Services) => Promise<Actor | null>;

type SocketRowSpec<Q extends z.ZodType, F extends z.ZodType> = Pick<
  RouteSpec<string, Q, z.ZodUnknown, z.ZodType>,
  'id' | 'path' | 'summary' | 'tag' | 'can' | 'scope'
> & {
  readonly auth: 'member' | 'tenant';
  readonly query: Q;
  readonly sent: F;
  readonly received: z.ZodType;
  readonly guest?: Guest;
  readonly open: (socket: Socket<z.output<Q>>, services: Services) => Promise<(frame: z.output<F>) => Promise<void>>;
};

/** A row that becomes a WebSocket: whoever asks without an upgrade is told so. */
export function socketRoute<Q extends z.ZodType, F extends z.ZodType>(spec: SocketRowSpec<Q, F>): Route {
  const { sent, received, guest, open, ...row } = spec;
  return route({
    ...row,
    method: 'GET',
    status: 101,
    reply: received,
    errors: { 426: 'Asked without an upgrade to a WebSocket.' },
    // -- reason: `sent` and `query` have been checked before what was opened sees them
    socket: { sent, received, ...(guest === undefined ? {} : { guest }), open: open as unknown as SocketSpec['open'] },
    handle: () =>
      Promise.reject(
        new ApiError(426, 'This is a WebSocket: connect with one, with Upgrade: websocket.', {
          headers: { Upgrade: 'websocket' },
        }),
      ),
  });
}
