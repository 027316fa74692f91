import type { Context } from 'koa';
import type { Actor } from '../actor.js';
import type { Route } from './route.js';

/** What the layers of one request tell each other; the access log is written from it. */
export interface Trace {
  readonly requestId: string;
  readonly startedAt: number;
  row?: Route;
  actor?: Actor;
  params?: Readonly<Record<string, string>>;
}

const traces = new WeakMap<object, Trace>();

export function startTrace(ctx: Context, trace: Trace): void {
  traces.set(ctx.req, trace);
}

export function traceOf(ctx: Context): Trace {
  const trace = traces.get(ctx.req);
  if (trace === undefined) throw new Error('the access log must be the first middleware');
  return trace;
}
