import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Context } from 'koa';
import type { IdempotencyStore, KeyedRequest } from '../../db/idempotency.js';
import { answerOfError, attempt, type Answer } from './answer.js';
import { ApiError, conflict, invalid } from './errors.js';
import { toApiError } from './error-handler.js';
import type { Log } from './log.js';
import type { Actor } from '../actor.js';
import type { Route } from './route.js';

export interface IdempotencyDeps {
  readonly store: IdempotencyStore;
  readonly log: Log;
  /** How long a twin waits for the first one's answer. */
  readonly twinWaitMs: number;
  /** How often a running claim is renewed; well under its lease. */
  readonly renewMs: number;
}

const purgeEveryMs = 10 * 60_000;
const firstPauseMs = 20;
const longestPauseMs = 500;
const printable = /^[\x20-\x7e]{1,255}$/;

/** The key of a request, or none. */
export function keyedRequest(
  ctx: Context,
  row: Route,
  caller: { readonly actor: Actor; readonly rawBody: Buffer },
): KeyedRequest | undefined {
  const key = ctx.get('idempotency-key');
  if (!row.idempotent || ctx.req.headers['idempotency-key'] === undefined) return undefined;
  if (!printable.test(key)) {
    const message = 'must be 1 to 255 printable ASCII characters';
    throw invalid([{ field: 'Idempotency-Key', loc: ['header', 'Idempotency-Key'], message }]);
  }
  const { actor, rawBody } = caller;
  const isAnonymous = actor.type === 'anonymous';
  const hash = createHash('sha256').update(`${ctx.method} ${ctx.path}?${ctx.querystring}\n`);
  // without an actor the signature is the only proof, so an answer is replayed only to the same proof
  if (isAnonymous) hash.update(`${JSON.stringify(proofs(ctx))}\n`);
  return {
    scope: `${actor.workspaceId || '-'}/${actor.type}:${isAnonymous ? ctx.path : actor.id}`,
    route: row.id,
    key,
    bodyHash: hash.update(rawBody).digest('hex'),
  };
}

const proofs = (ctx: Context): readonly (readonly [string, unknown])[] =>
  Object.entries(ctx.req.headers)
    .filter(([name]) => /authorization|signature|token|cookie/.test(name))
    .toSorted(([a], [b]) => a.localeCompare(b));

/** Makes `run` happen once for one key: a repeat gets the first answer, a twin waits for it. */
export function createIdempotency(deps: IdempotencyDeps) {
  let purgedAt = Date.now();
  return async (request: KeyedRequest, run: (seed: string) => Promise<Answer>): Promise<Answer> => {
    const outcome = await claimOrWait(deps, request);
    if (typeof outcome !== 'string') return outcome;
    const answer = await runClaimed(deps, request, () => run(outcome));
    if (Date.now() - purgedAt > purgeEveryMs) {
      purgedAt = Date.now();
      void attempt(deps.log, 'old idempotency keys were not purged', deps.store.purge);
    }
    return answer;
  };
}

/** The seed to run with, or the answer the first one gave. */
async function claimOrWait({ store, twinWaitMs }: IdempotencyDeps, request: KeyedRequest): Promise<string | Answer> {
  const giveUpAt = performance.now() + twinWaitMs;
  for (let wait = firstPauseMs; ; wait = Math.min(wait * 1.5, longestPauseMs)) {
    const claim = await store.claim(request);
    if (claim.kind === 'run') return claim.seed;
    if (claim.kind === 'done') return replayed(claim.status, claim.reply);
    if (claim.kind === 'otherBody')
      throw conflict('This Idempotency-Key was used for another request; use a new key for a new request.');
    if (performance.now() + wait > giveUpAt)
      throw new ApiError(409, 'The first request with this Idempotency-Key is still running; ask again shortly.', {
        headers: { 'retry-after': '1' },
      });
    await pause(wait);
  }
}

async function runClaimed(deps: IdempotencyDeps, request: KeyedRequest, run: () => Promise<Answer>): Promise<Answer> {
  const { store, log } = deps;
  const renewal = setInterval(() => {
    void attempt(log, 'an idempotency claim was not renewed', () => store.renew(request));
  }, deps.renewMs);
  renewal.unref();
  try {
    const answer = await run();
    await attempt(log, 'an answer was not stored', () => store.finish(request, stored(answer)));
    return answer;
  } catch (error) {
    const refusal = toApiError(error);
    await attempt(log, 'an idempotency claim was not settled', () => settle(store, request, refusal));
    throw error;
  } finally {
    clearInterval(renewal);
  }
}

/** Refusals for good are stored; a missing proof leaves no trace; what may pass by itself is run again. */
function settle(store: IdempotencyStore, request: KeyedRequest, refusal: ApiError): Promise<void> {
  if (refusal.status === 401 || refusal.status === 403) return store.forget(request);
  if (refusal.status >= 500 || refusal.status === 429) return store.release(request);
  return store.finish(request, stored(answerOfError(refusal)));
}

interface StoredReply {
  readonly text: string | null;
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Cookies are not kept: a session belongs to the one who opened it. */
const stored = ({ status, text, type, headers }: Answer): { status: number; reply: string } => ({
  status,
  reply: JSON.stringify({ text: text?.toString() ?? null, type, headers } satisfies StoredReply),
});

function replayed(status: number, reply: string): Answer {
  // -- reason: written by `stored` and by nobody else
  const { text, type, headers } = JSON.parse(reply) as StoredReply;
  return { status, text, type, headers: { ...headers, 'Idempotent-Replayed': 'true' }, cookies: [], value: undefined };
}
