import type { Context, Middleware } from 'koa';
import { newId } from '../../db/ids.js';
import { httpSeconds } from '../../db/telemetry/metrics.js';
import { belowCaller, inSpan, SpanKind } from '../../db/telemetry/tracing.js';
import type { Span } from '@opentelemetry/api';
import { redactValues, type Log } from './log.js';
import { eventStreamType } from './route.js';
import { startTrace, type Trace } from './trace.js';

const saneRequestId = /^[\w.:-]{1,128}$/;

/** Gives every request its id and writes one line when it is over. */
export function accessLog(log: Log): Middleware {
  return async (ctx, next) => {
    const trace = beginTrace(ctx);
    ctx.set('X-Request-Id', trace.requestId);
    ctx.res.once('close', () => {
      log.info(line(ctx, trace), 'request');
      measure(ctx, trace);
    });
    await traced(ctx, trace, next);
  };
}

/** A span a request, below the caller's own where it names one. */
function traced(ctx: Context, trace: Trace, next: () => Promise<unknown>): Promise<void> {
  return belowCaller(ctx.headers, () =>
    inSpan({ name: ctx.method, kind: SpanKind.SERVER }, async (span) => {
      await next();
      describe(span, ctx, trace);
    }),
  );
}

function describe(span: Span, ctx: Context, { row, actor, requestId }: Trace): void {
  const route = row?.path ?? 'none';
  span.updateName(`${ctx.method} ${route}`);
  span.setAttributes({
    'http.request.method': ctx.method,
    'http.route': route,
    'http.response.status_code': ctx.status,
    'keelson.request_id': requestId,
    ...(row === undefined ? {} : { 'keelson.route_id': row.id }),
    ...(actor === undefined || actor.workspaceId === '' ? {} : { 'keelson.workspace_id': actor.workspaceId }),
  });
}

/** A stream is as long as its client likes, which says nothing of the server. */
function measure(ctx: Context, { row, startedAt }: Trace): void {
  if (ctx.response.type === eventStreamType) return;
  const labels = { route: row?.id ?? 'none', method: ctx.method, status: String(ctx.res.statusCode) };
  httpSeconds.observe(labels, (performance.now() - startedAt) / 1_000);
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
