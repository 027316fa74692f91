import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { createHttpTerminator } from 'http-terminator';
import type Koa from 'koa';
import { envelope } from './envelope.js';
import { ApiError } from './errors.js';
import type { Upgrade } from './socket-server.js';

export interface Listening {
  readonly port: number;
  readonly server: Server;
  /** Stops accepting, lets requests under way finish, then closes what is left. */
  readonly close: () => Promise<void>;
}

export interface ListenOptions {
  /** 0 takes a free one. */
  readonly port: number;
  readonly host?: string;
  readonly drainMs?: number;
  /** How long a request may take to arrive whole. */
  readonly requestTimeoutMs?: number;
  /** Takes over connections that are to be something else than HTTP. */
  readonly upgrade?: Upgrade;
}

const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 120_000;
/** How often the two are looked at. */
const CHECK_MS = 10_000;

export async function listen(app: Koa, options: ListenOptions): Promise<Listening> {
  const { port, host, drainMs = 15_000, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
  const callback = app.callback();
  const server = createServer(
    {
      headersTimeout: Math.min(HEADERS_TIMEOUT_MS, requestTimeoutMs),
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(CHECK_MS, requestTimeoutMs),
    },
    (req: IncomingMessage, res: ServerResponse) => void callback(req, res),
  );
  // longer than a usual load balancer keeps its side, so that it never writes into a socket we just closed
  server.keepAliveTimeout = 65_000;
  server.on('clientError', answerBrokenRequest);
  if (options.upgrade !== undefined) server.on('upgrade', options.upgrade);
  const terminator = createHttpTerminator({ server, gracefulTerminationTimeout: drainMs });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  // -- reason: a listening TCP server always has an AddressInfo
  const { port: bound } = server.address() as AddressInfo;
  return { port: bound, server, close: () => terminator.terminate() };
}

/** What is no HTTP never reaches Koa; it gets the same envelope. */
function answerBrokenRequest(error: Error & { readonly code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const refused = brokenRequest(error.code);
  const { status } = refused;
  const body = JSON.stringify(envelope(refused));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function brokenRequest(code: string | undefined): ApiError {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new ApiError(431, 'The request line and headers are larger than 16 KiB: send long values in the body.');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new ApiError(400, 'The request took too long to arrive.');
  return new ApiError(400, 'This is not a valid HTTP request.');
}
