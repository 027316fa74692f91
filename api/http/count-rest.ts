import type { Middleware } from 'koa';
import { answerError } from './error-handler.js';
import type { Log } from './log.js';
import { rateCaller, type RateLimiter } from './rate-limit.js';

/** What no row counted takes a point of its address too: preflights, the pages' files, what is refused at the door. */
export function countRest(limiter: RateLimiter, log: Log): Middleware {
  return async (ctx, next) => {
    await next();
    if (ctx.res.hasHeader('X-RateLimit-Limit')) return;
    try {
      await limiter.take(ctx, 'local', rateCaller('local', ctx));
    } catch (error) {
      answerError(ctx, log, error);
    }
  };
}
