import type { Context, Middleware } from 'koa';
import { newId } from '../../db/ids.js';
import { redactValues, type Log } from './log.js';
import { startTrace, type Trace } from './trace.js';

const saneRequestId = /^[\w.:-]{1,128}$/;

/** Gives every request its id and writes one line when it is over. */
export function accessLog(log: Log): Middleware {
  return async (ctx, next) => {
    const trace = beginTrace(ctx);
    ctx.set('X-Request-Id', trace.requestId);
    ctx.res.once('close', () => log.info(line(ctx, trace), 'request'));
    await next();
  };
}

export function beginTrace(ctx: Context): Trace {
  const sent = ctx.get('x-request-id');
  const trace: Trace = {
    requestId: saneRequestId.test(sent) ? sent : newId('req'),
    startedAt: performance.now(),
  };
  startTrace(ctx, trace);
  return trace;
}

function line(ctx: Context, trace: Trace): Record<string, unknown> {
  const { row, actor } = trace;
  return {
    request_id: trace.requestId,
    method: ctx.method,
    path: loggedPath(ctx, trace),
    ...(row === undefined ? {} : { route: row.id }),
    ...(ctx.querystring === '' ? {} : { query: redactValues(ctx.query) }),
    status: ctx.res.statusCode,
    ms: Math.round((performance.now() - trace.startedAt) * 10) / 10,
    bytes: Number(ctx.res.getHeader('content-length') ?? 0),
    ip: ctx.ip,
    ...(actor === undefined ? {} : { actor: `${actor.type}:${actor.id}`, workspace: actor.workspaceId }),
    ...(ctx.res.writableFinished ? {} : { aborted: true }),
  };
}

/** A path can carry a secret (`/ingress/:token`): such a parameter is shown redacted. */
function loggedPath(ctx: Context, { row, params }: Trace): string {
  if (row === undefined || params === undefined) return ctx.path.slice(0, 500);
  const shown = redactValues(params);
  if (!Object.values(shown).includes('[redacted]')) return ctx.path.slice(0, 500);
  return row.path.replaceAll(/:(\w+)/g, (_, name: string) => shown[name] ?? '');
}
