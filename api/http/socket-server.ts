import { setMaxListeners } from 'node:events';
import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type Koa from 'koa';
import type { Context } from 'koa';
import { WebSocketServer, type ServerOptions, type WebSocket } from 'ws';
import type { Actor } from '../actor.js';
import { beginTrace } from './access-log.js';
import { readCookies } from './cookies.js';
import { describeError, redactValues, type Log } from './log.js';
import { createOpenCount, type OpenCount } from './open-count.js';
import { rateCaller } from './rate-limit.js';
import type { Route } from './route.js';
import { admit, authorise, checkQuery, type Guarded } from './serve.js';
import { defaultSession, runSession, type Ended, type SessionSettings } from './socket-session.js';
import { closingOf, closings, type Closing, type SocketSpec } from './sockets.js';
import { traceOf, type Trace } from './trace.js';
import { validate } from './validate.js';

export type Upgrade = (req: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface SocketServer {
  /** For the HTTP server's event of this name. */
  readonly upgrade: Upgrade;
  /** Tells every client that the service restarts, and waits a little for them to go. */
  readonly close: () => Promise<void>;
}

export interface SocketSettings extends Partial<SessionSettings> {
  /** Raised when the API stops. */
  readonly stopping: AbortSignal;
  readonly open?: OpenCount;
  /** Longest frame of a client in bytes; default 64 KiB. */
  readonly mostBytes?: number;
}

export interface SocketDeps {
  readonly app: Koa;
  readonly rows: readonly Route[];
  readonly deps: Guarded['deps'];
  readonly log: Log;
}

const MOST_BYTES = 64 * 1024;
/** How long a client may take to answer that it is closed, and all of them together when the API stops. */
const FAREWELL_MS = 10_000;
const STOP_MS = 1_000;

interface Serving extends SocketDeps {
  readonly server: WebSocketServer;
  readonly settings: SessionSettings;
  readonly open: OpenCount;
  readonly stopping: AbortSignal;
}

/** The rows that are WebSockets, on the HTTP server's own port. */
export function createSocketServer(deps: SocketDeps, given: SocketSettings): SocketServer {
  const { stopping, open = createOpenCount(), mostBytes = MOST_BYTES, ...settings } = given;
  // -- reason: the types do not know `closeTimeout` yet
  const options = { noServer: true, maxPayload: mostBytes, perMessageDeflate: false, closeTimeout: FAREWELL_MS };
  const server = new WebSocketServer(options as ServerOptions);
  const serving = { ...deps, server, settings: { ...defaultSession, ...settings }, open, stopping };
  const rows = new Map(deps.rows.flatMap((row) => [row.path, ...(row.aliases ?? [])].map((path) => [path, row])));
  const leave = (): void => server.clients.forEach((ws) => ws.close(closings.restart.code, closings.restart.reason));
  setMaxListeners(0, stopping);
  stopping.addEventListener('abort', leave);
  return {
    upgrade: (req, socket, head) => {
      const row = isWebSocket(req) ? rows.get(pathOf(req)) : undefined;
      if (row === undefined) return answerPlainly(deps.app, req, socket);
      // a client that leaves while it is looked up is no failure of ours
      socket.on('error', () => socket.destroy());
      void accept(serving, row, { req, socket, head });
    },
    close: async () => {
      leave();
      const late = AbortSignal.timeout(STOP_MS);
      while (server.clients.size > 0 && !late.aborted) await pause(5);
      server.clients.forEach((ws) => ws.terminate());
    },
  };
}

const isWebSocket = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';

const pathOf = ({ url = '' }: IncomingMessage): string => url.split('?', 1)[0] ?? '';

/** What is no socket of ours is a request like any other, and the last one of its connection. */
function answerPlainly(app: Koa, req: IncomingMessage, socket: Duplex): void {
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  // -- reason: the HTTP server's connections are sockets of the net module
  res.assignSocket(socket as Parameters<ServerResponse['assignSocket']>[0]);
  res.once('finish', () => socket.end());
  socket.on('error', () => socket.destroy());
  void app.callback()(req, res);
}

interface Asking {
  readonly req: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** Who is refused is let in first and told then: a browser shows a page no other answer than the code of a close. */
async function accept(serving: Serving, row: Route, { req, socket, head }: Asking): Promise<void> {
  const { app, server, log } = serving;
  const ctx = app.createContext(req, new ServerResponse(req)) as Context;
  const trace = beginTrace(ctx);
  trace.row = row;
  const admitted = await prepare(serving, row, ctx).catch((error: unknown) => {
    const closing = closingOf(error);
    if (closing === closings.broken) log.error({ err: describeError(error) }, 'a socket was not opened');
    return closing;
  });
  let isOpened = false;
  server.handleUpgrade(req, socket, head, (ws) => {
    isOpened = true;
    void serveSocket(serving, ws, admitted)
      .catch((error: unknown) => {
        log.error({ err: describeError(error) }, 'a socket broke off');
        ws.terminate();
        return { ...closings.broken, sent: 0 };
      })
      .then((ended) => log.info(lineOf(ctx, trace, ended), 'socket'));
  });
  if (!isOpened && 'leave' in admitted) admitted.leave();
}

interface Admitted extends Pick<Parameters<typeof runSession>[1], 'row' | 'socket' | 'actor' | 'query' | 'recheck'> {
  readonly leave: () => void;
}

async function prepare(serving: Serving, row: Route, ctx: Context): Promise<Admitted | Closing> {
  const { deps, open } = serving;
  const { socket } = row;
  if (socket === undefined) return closings.broken;
  const { token } = ctx.query;
  // browsers cannot send a header with a socket
  if (typeof token === 'string' && token !== '') ctx.req.headers.authorization ??= `Bearer ${token}`;
  const caller = { params: {}, cookies: readCookies(ctx.req.headers.cookie) };
  const guarded = { row, deps };
  const guest = await guestOf(serving, socket, ctx);
  const actor = guest ?? (await admit(guarded, ctx, caller));
  traceOf(ctx).actor = actor;
  checkQuery(ctx, 422);
  const query = row.query === undefined ? {} : validate(row.query, { ...ctx.query }, { place: 'query', status: 422 });
  // a guest was let in for as long as what it was let into goes on
  const recheck = async (): Promise<void> =>
    guest === null ? void (await authorise(guarded, ctx, caller)) : Promise.resolve();
  const leave = open.enter(rateCaller('api', ctx, { actor }).key, 'socket');
  return { row, socket, actor, query, recheck, leave };
}

/** Only a JWT can be a guest's token; looking at one costs no query, but a point of the address. */
async function guestOf({ deps }: Serving, { guest }: SocketSpec, ctx: Context): Promise<Actor | null> {
  const [, token] = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+) *$/i.exec(ctx.req.headers.authorization ?? '') ?? [];
  if (guest === undefined || token === undefined) return null;
  const actor = await guest(token, deps.services);
  if (actor !== null) await deps.limiter.take(ctx, 'api', rateCaller('api', ctx));
  return actor;
}

async function serveSocket(serving: Serving, ws: WebSocket, admitted: Admitted | Closing): Promise<Ended> {
  const { deps, log, settings, stopping } = serving;
  if (!('leave' in admitted)) return refuse(ws, admitted);
  try {
    if (stopping.aborted) return await refuse(ws, closings.restart);
    return await runSession(ws, { ...admitted, services: deps.services, log, settings });
  } finally {
    admitted.leave();
  }
}

function refuse(ws: WebSocket, { code, reason }: Closing): Promise<Ended> {
  ws.on('error', () => undefined);
  ws.close(code, reason);
  return new Promise((resolve) => {
    ws.once('close', () => resolve({ code, reason, sent: 0 }));
  });
}

/** One line when it is over; the token in the query is left out as every value with such a name is. */
function lineOf(ctx: Context, { requestId, startedAt, row, actor }: Trace, ended: Ended): Record<string, unknown> {
  return {
    request_id: requestId,
    method: 'WS',
    path: ctx.path.slice(0, 500),
    ...(row === undefined ? {} : { route: row.id }),
    ...(ctx.querystring === '' ? {} : { query: redactValues(ctx.query) }),
    ...ended,
    ms: Math.round(performance.now() - startedAt),
    ip: ctx.ip,
    ...(actor === undefined ? {} : { actor: `${actor.type}:${actor.id}`, workspace: actor.workspaceId }),
  };
}
