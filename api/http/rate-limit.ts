import type { Context } from 'koa';
import {
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRes,
  type RateLimiterAbstract,
} from 'rate-limiter-flexible';
import type { Database } from '../../db/client.js';
import { tooMany } from './errors.js';
import type { Actor } from '../actor.js';
import { networkOf } from '../address.js';
import type { RateLimits } from './config.js';
import { createCounterStore, type CounterStore, type StorePatience } from './rate-store.js';
import type { RateClass } from './route.js';

const durationSeconds = 60;

export interface RateLimiter {
  /** Takes one point, writes the X-RateLimit headers, throws 429 when none is left. */
  readonly take: (
    ctx: Context,
    rate: RateClass,
    caller: { readonly key: string; readonly limit?: number },
  ) => Promise<void>;
}

/** Counts in Postgres, over all API processes, and in memory while that does not answer. */
export function createRateLimiter(db: Database, limits: RateLimits, patience: StorePatience = {}): RateLimiter {
  const store = createCounterStore(db, patience);
  const local = new RateLimiterMemory({ points: limits.public, duration: durationSeconds });
  const limiters = new Map<string, RateLimiterAbstract>();
  const limiterOf = (rate: RateClass, points: number): RateLimiterAbstract => {
    if (rate === 'local') return local;
    const name = `${rate} ${points}`;
    const made = limiters.get(name) ?? inPostgres(store, rate, points);
    limiters.set(name, made);
    return made;
  };
  return {
    take: async (ctx, rate, { key, limit = limits[rate === 'local' ? 'public' : rate] }) => {
      try {
        writeHeaders(ctx, limit, await limiterOf(rate, limit).consume(key));
      } catch (refused) {
        if (!(refused instanceof RateLimiterRes)) throw refused;
        writeHeaders(ctx, limit, refused);
        const seconds = secondsOf(refused);
        throw tooMany(`Too many requests: at most ${limit} a minute here. Try again in ${seconds} s.`, seconds);
      }
    },
  };
}

function inPostgres(query: CounterStore, rate: RateClass, points: number): RateLimiterAbstract {
  return new RateLimiterPostgres({
    storeClient: { query },
    storeType: 'client',
    tableName: 'rate_limits',
    tableCreated: true,
    // its timer would outlive the server it belongs to; the upkeep deletes what is over
    clearExpiredByTimeout: false,
    keyPrefix: rate,
    points,
    duration: durationSeconds,
    inMemoryBlockOnConsumed: points + 1,
    insuranceLimiter: new RateLimiterMemory({ points, duration: durationSeconds }),
  });
}

function writeHeaders(ctx: Context, limit: number, result: RateLimiterRes): void {
  ctx.set({
    'X-RateLimit-Limit': String(limit),
    'X-RateLimit-Remaining': String(Math.max(0, result.remainingPoints)),
    'X-RateLimit-Reset': String(secondsOf(result)),
  });
}

const secondsOf = ({ msBeforeNext }: RateLimiterRes): number => Math.max(1, Math.ceil(msBeforeNext / 1000));

/** What of an actor its points hang on. */
export type Counted = Pick<Actor, 'type' | 'id' | 'ratePerMinute'>;

/** Whose points a request takes, and how many there are: the actor's where one is known, else the address's. */
export function rateCaller(
  rate: RateClass,
  ctx: Context,
  { actor, keyLimit }: { readonly actor?: Counted; readonly keyLimit?: number } = {},
): { readonly key: string; readonly limit?: number } {
  if (rate === 'api' && actor !== undefined && actor.type !== 'anonymous') {
    const limit = actor.ratePerMinute ?? (actor.type === 'api_key' ? keyLimit : undefined);
    return { key: `${actor.type}:${actor.id}`, ...(limit === undefined ? {} : { limit }) };
  }
  const address = networkOf(ctx.ip);
  return { key: rate === 'public' || rate === 'local' ? `${address} ${ctx.path.slice(0, 160)}` : address };
}
