import type { Context, Middleware } from 'koa';
import { envelope } from './envelope.js';
import { ApiError, badRequest, conflict, invalid, unavailable } from './errors.js';
import { describeError, type Log } from './log.js';
import { traceOf } from './trace.js';

/** The only place that writes an error body. */
export function errorHandler(log: Log): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      answerError(ctx, log, error);
    }
  };
}

export function answerError(ctx: Context, log: Log, error: unknown): void {
  const known = toApiError(error);
  if (known.status >= 500) {
    const level = known.status === 500 ? 'error' : 'warn';
    log[level]({ request_id: traceOf(ctx).requestId, err: describeError(error) }, 'request failed');
  }
  ctx.remove('Cache-Control');
  ctx.set(known.headers);
  ctx.status = known.status;
  ctx.body = envelope(known);
}

/** Turns whatever was thrown into the closed list; what is not known stays inside. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const { code } = known(error);
  if (typeof code === 'string') {
    const mapped = ofPostgres(code) ?? (networkCodes.has(code) ? busy() : undefined);
    if (mapped !== undefined) return mapped;
  }
  if (isPoolFailure(error) || isTemporalDown(error)) return busy();
  return new ApiError(500, 'Something failed on our side; the request id names it in the log.');
}

const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'KEY_SERVICE_DOWN',
]);

const busy = (): ApiError =>
  new ApiError(503, unavailable('A service behind the API does not answer; try again shortly.').message, {
    headers: { 'retry-after': '1' },
  });

function ofPostgres(code: string): ApiError | undefined {
  if (code === '23505') return conflict('That name or id is taken already.');
  if (code === '22P05' || code === '22021')
    return invalid([{ field: 'body', message: 'holds a character that cannot be stored (NUL or a lone surrogate)' }]);
  if (code === '22003') return badRequest('A number is out of range.');
  // 08 connection, 53 resources, 57P shutdown, 40 serialisation and deadlock: all pass by themselves
  return /^(08|53|57P|40)/.test(code) && code.length === 5 ? busy() : undefined;
}

const poolMessages = new Set([
  'timeout exceeded when trying to connect',
  'Connection terminated',
  'Connection terminated unexpectedly',
  'Connection terminated due to connection timeout',
  'Cannot use a pool after calling end on the pool',
]);

/** pg gives these failures no code, so their fixed texts must do. */
const isPoolFailure = (error: unknown): boolean => error instanceof Error && poolMessages.has(error.message);

const grpcUnavailable = 14;
const grpcDeadlineExceeded = 4;

/** A Temporal client error, or the gRPC error it wraps: its code is the number of the gRPC status. */
function isTemporalDown(error: unknown): boolean {
  return [error, known(error).cause].some((each) => {
    const { code } = known(each);
    return code === grpcUnavailable || code === grpcDeadlineExceeded;
  });
}

function known(error: unknown): { readonly code?: unknown; readonly cause?: unknown } {
  return typeof error === 'object' && error !== null ? error : {};
}
