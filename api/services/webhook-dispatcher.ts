import type { Database } from '../../db/client.js';
import { createBell, keepListening } from '../../db/listen.js';
import { claimLost, claimWaiting, releaseClaims, type Dispatch } from '../../db/webhook-outbox.js';
import type { TemporalGateway } from '../temporal/gateway.js';

export interface DispatcherDeps {
  readonly db: Database;
  readonly databaseUrl: string;
  readonly temporal: Pick<TemporalGateway, 'startDelivery'>;
  /** Where callers reach the API. */
  readonly baseUrl: string;
  readonly log: { readonly warn: (fields: object, message: string) => void };
}

const EVERY_MS = 3_000;
const BATCH = 100;
/** Deliveries of one endpoint under way, most of them in a pause; the rest wait in the table. */
const OPEN_PER_ENDPOINT = 100;
const UNTOUCHED_MS = 30_000;
const OVERDUE_MS = 600_000;

/**
 * Starts the workflow of each delivery as soon as its row is committed, or within seconds should that word be lost. The
 * row is the outbox: any number of processes may look, each row is taken by one, and a start that happens twice changes
 * nothing.
 */
export function startWebhookDispatcher(deps: DispatcherDeps): { readonly stop: () => Promise<void> } {
  const stopping = new AbortController();
  const bell = createBell();
  const onError = ({ message }: Error): void =>
    deps.log.warn({ reason: message }, 'webhooks go out late until Postgres is heard again');
  const line = { url: deps.databaseUrl, channel: 'webhook_deliveries', onError, heard: bell.ring };
  const working = [keepListening(line, stopping.signal), keepDispatching(deps, bell.heard, stopping.signal)];
  const sweep = setInterval(bell.ring, EVERY_MS);
  return {
    stop: async () => {
      clearInterval(sweep);
      stopping.abort();
      await Promise.all(working);
    },
  };
}

async function keepDispatching(
  deps: DispatcherDeps,
  heard: (signal: AbortSignal) => Promise<void>,
  stopping: AbortSignal,
): Promise<void> {
  while (!stopping.aborted) {
    const isMore = await dispatchOnce(deps).catch((error: unknown) => {
      deps.log.warn({ reason: String(error) }, 'webhooks are dispatched again shortly');
      return false;
    });
    if (!isMore) await heard(stopping);
  }
}

/** Whether there may be more right now. */
export async function dispatchOnce(deps: DispatcherDeps): Promise<boolean> {
  const lost = await claimLost(deps.db, { limit: BATCH, untouchedMs: UNTOUCHED_MS, overdueMs: OVERDUE_MS });
  const waiting = await claimWaiting(deps.db, { limit: BATCH, openPerEndpoint: OPEN_PER_ENDPOINT });
  await startAll(deps, [...lost, ...waiting]);
  return waiting.length === BATCH;
}

async function startAll({ db, temporal, baseUrl }: DispatcherDeps, claims: readonly Dispatch[]): Promise<void> {
  const results = await Promise.allSettled(claims.map((claim) => temporal.startDelivery({ ...claim, baseUrl })));
  const failed = results.flatMap((result, at) => (result.status === 'rejected' ? [at] : []));
  await releaseClaims(
    db,
    failed.map((at) => claims[at]?.deliveryId ?? ''),
  );
  const [first] = results.filter((result) => result.status === 'rejected');
  if (first !== undefined) throw first.reason;
}
