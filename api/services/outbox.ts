import { markDispatched, queuedRuns } from '../../db/runs.js';
import type { Database } from '../../db/client.js';
import type { TemporalGateway } from '../temporal/gateway.js';

export interface OutboxDeps {
  readonly db: Database;
  readonly temporal: Pick<TemporalGateway, 'startRun'>;
  readonly schedules: { readonly syncPending: () => Promise<unknown> };
  readonly log: { readonly warn: (fields: object, message: string) => void };
}

const EVERY_MS = 3_000;
/** A younger row is most likely being started by the request that wrote it. */
const QUEUED_FOR_MS = 3_000;
const BATCH = 100;

/**
 * Delivers to Temporal what was accepted while it was away or by a process that died: queued runs and changed
 * schedules. Any number of processes may do so at once, since each delivery has one id.
 */
export function startOutbox(deps: OutboxDeps): { readonly stop: () => Promise<void> } {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const round = async (): Promise<void> => {
    try {
      await deliver(deps);
    } catch (error) {
      deps.log.warn({ reason: String(error) }, 'the outbox is tried again shortly');
    }
    if (!stopped) timer = setTimeout(next, EVERY_MS);
  };
  let current = round();
  function next(): void {
    current = round();
  }
  return {
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await current;
    },
  };
}

async function deliver({ db, temporal, schedules }: OutboxDeps): Promise<void> {
  for (const input of await queuedRuns(db, QUEUED_FOR_MS, BATCH)) {
    await temporal.startRun(input);
    await markDispatched(db, input.run);
  }
  await schedules.syncPending();
}
