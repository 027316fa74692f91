import ipaddr from 'ipaddr.js';
import { CompiledQuery } from 'kysely';
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
import type { RateClass } from './route.js';

const durationSeconds = 60;

export interface RateLimiter {
  /** Takes one point, writes the X-RateLimit headers, throws 429 when none is left. */
  readonly take: (ctx: Context, rate: RateClass, key: string) => Promise<void>;
}

/**
 * `auth` counts in Postgres, so that guessing passwords is limited over all API processes; the others count in memory,
 * where a point costs no query.
 */
export function createRateLimiter(db: Database, limits: Readonly<Record<RateClass, number>>): RateLimiter {
  const limiters: Readonly<Record<RateClass, RateLimiterAbstract>> = {
    auth: inPostgres(db, limits.auth),
    public: new RateLimiterMemory({ points: limits.public, duration: durationSeconds }),
    api: new RateLimiterMemory({ points: limits.api, duration: durationSeconds }),
  };
  return {
    take: async (ctx, rate, key) => {
      try {
        writeHeaders(ctx, limits[rate], await limiters[rate].consume(key));
      } catch (refused) {
        if (!(refused instanceof RateLimiterRes)) throw refused;
        writeHeaders(ctx, limits[rate], refused);
        const seconds = secondsOf(refused);
        throw tooMany(`Too many requests: at most ${limits[rate]} a minute here. Try again in ${seconds} s.`, seconds);
      }
    },
  };
}

function inPostgres(db: Database, points: number): RateLimiterAbstract {
  const query = ({ text, values }: { readonly text: string; readonly values: readonly unknown[] }) =>
    db.executeQuery(CompiledQuery.raw(text, [...values]));
  return new RateLimiterPostgres({
    storeClient: { query },
    storeType: 'client',
    tableName: 'rate_limits',
    tableCreated: true,
    // its timer would outlive the server it belongs to; the upkeep deletes what is over
    clearExpiredByTimeout: false,
    keyPrefix: 'auth',
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

/** Whose points a request takes: the actor's where one is known, else the address's. */
export function rateKey(rate: RateClass, ctx: Context, actor?: Actor): string {
  if (rate === 'api' && actor !== undefined && actor.type !== 'anonymous') return `${actor.type}:${actor.id}`;
  const address = network(ctx.ip);
  return rate === 'public' ? `${address} ${ctx.path.slice(0, 200)}` : address;
}

/** One caller owns a whole IPv6 /64, so that is what is counted. */
function network(ip: string): string {
  if (!ipaddr.isValid(ip)) return ip;
  const address = ipaddr.process(ip);
  if (address.kind() === 'ipv4') return address.toString();
  return address.toNormalizedString().split(':').slice(0, 4).join(':');
}
