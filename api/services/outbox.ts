import { purgeAdmission } from '../../db/admission-upkeep.js';
import { purgeEvents } from '../../db/events.js';
import { purgeIngressMessages } from '../../db/ingress-messages.js';
import { purgeLoginGuards } from '../../db/login-guards.js';
import { purgeMails } from '../../db/mails.js';
import { purgeTokens } from '../../db/one-time-tokens.js';
import { purgeRateLimits } from '../../db/rate-limits.js';
import { markDispatched, queuedRuns } from '../../db/runs.js';
import { purgeWebhooks } from '../../db/webhook-outbox.js';
import type { Database } from '../../db/client.js';
import type { TemporalGateway } from '../temporal/gateway.js';
import { createReconcile } from './reconcile.js';
import type { RunEventService } from './run-events.js';

export interface OutboxDeps {
  readonly db: Database;
  readonly temporal: Pick<
    TemporalGateway,
    'startRun' | 'takePlace' | 'cancelRun' | 'terminateRun' | 'tellParent' | 'statusOfRun'
  >;
  readonly schedules: { readonly syncPending: () => Promise<unknown> };
  readonly events: Pick<RunEventService, 'deliverPending'>;
  readonly ingress: { readonly sweep: () => Promise<void> };
  readonly log: { readonly warn: (fields: object, message: string) => void };
}

const EVERY_MS = 3_000;
const UPKEEP_EVERY_MS = 60_000;
/** A younger row is most likely being started by the request that wrote it. */
const QUEUED_FOR_MS = 3_000;
const BATCH = 100;

interface Loop {
  readonly stop: () => Promise<void>;
}

/**
 * Delivers to Temporal what was accepted while it was away or by a process that died: queued runs, changed schedules,
 * events, inbound webhooks; and once a minute looks after what is old. Any number of processes may do so at once, since each delivery
 * has one id.
 */
export function startOutbox(deps: OutboxDeps): Loop {
  const reconcile = createReconcile(deps);
  const loops = [
    repeat(deps, EVERY_MS, () => deliverRuns(deps)),
    repeat(deps, EVERY_MS, deps.events.deliverPending),
    repeat(deps, EVERY_MS, deps.ingress.sweep),
    repeat(deps, UPKEEP_EVERY_MS, reconcile),
    repeat(deps, UPKEEP_EVERY_MS, () => purgeEvents(deps.db)),
    repeat(deps, UPKEEP_EVERY_MS, () => purgeIngressMessages(deps.db)),
    repeat(deps, UPKEEP_EVERY_MS, () => purgeRateLimits(deps.db)),
    repeat(deps, UPKEEP_EVERY_MS, () => purgeLoginGuards(deps.db)),
    repeat(deps, UPKEEP_EVERY_MS, () => purgeMails(deps.db)),
    repeat(deps, UPKEEP_EVERY_MS, () => purgeTokens(deps.db)),
    repeat(deps, UPKEEP_EVERY_MS, () => purgeAdmission(deps.db)),
    repeat(deps, UPKEEP_EVERY_MS, () => purgeWebhooks(deps.db)),
  ];
  return {
    stop: async () => {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}

function repeat({ log }: Pick<OutboxDeps, 'log'>, everyMs: number, work: () => Promise<unknown>): Loop {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const round = async (): Promise<void> => {
    try {
      await work();
    } catch (error) {
      log.warn({ reason: String(error) }, 'the outbox is tried again shortly');
    }
    if (!stopped) timer = setTimeout(next, everyMs);
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

async function deliverRuns({ db, temporal, schedules }: OutboxDeps): Promise<void> {
  for (const input of await queuedRuns(db, QUEUED_FOR_MS, BATCH)) {
    await temporal.startRun(input);
    await markDispatched(db, input.run);
  }
  await schedules.syncPending();
}
