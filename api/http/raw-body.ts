import type { IncomingMessage } from 'node:http';
import type { Context } from 'koa';
import { ApiError, badRequest, tooLarge } from './errors.js';

const noBody = Buffer.alloc(0);
/** How long a refused upload may go on being thrown away before the connection is cut. */
const DISCARD_MS = 10_000;

export interface BodyBounds {
  readonly limit: number;
  readonly discardMs?: number | undefined;
}

/** The body's exact bytes. Past the limit the rest is thrown away unread and the answer is 413. */
export async function readRawBody(ctx: Context, bounds: BodyBounds): Promise<Buffer> {
  const { req } = ctx;
  const { limit } = bounds;
  const declared = req.headers['content-length'];
  if (declared === undefined && req.headers['transfer-encoding'] === undefined) return noBody;
  if (Number(declared ?? 0) > limit) throw refuse(ctx, bounds);
  const body = await collect(req, limit).catch(() => {
    throw badRequest('The connection closed before the body was complete.');
  });
  if (body === undefined) throw refuse(ctx, bounds);
  return body;
}

/** undefined when there is more than the limit; what was read of it is let go. */
async function collect(req: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  // destroying the request would take the socket, and the 413, with it
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function refuse({ req }: Context, { limit, discardMs = DISCARD_MS }: BodyBounds): ApiError {
  req.on('error', () => undefined);
  req.resume();
  const cut = setTimeout(() => {
    if (!req.complete) req.socket.destroy();
  }, discardMs);
  cut.unref();
  req.once('close', () => clearTimeout(cut));
  return tooLarge(`The body is larger than the ${limit} bytes this route takes.`);
}
