import { proxyActivities, sleep } from '@temporalio/workflow';
import {
  RETRY_PAUSES_MS,
  type AttemptInput,
  type AttemptOutcome,
  type DeliverWebhookInput,
  type WebhookActivities,
} from './contract/webhooks.js';

/** What an attempt may take besides the endpoint's own time: building the payload and its records. */
const MARGIN_MS = 30_000;
const BUSY_PAUSES_MS = [1_000, 2_000, 4_000, 8_000];
const LONGEST_BUSY_PAUSE_MS = 15_000;

type Ended = Exclude<AttemptOutcome, 'failed' | 'busy'>;

/** Delivers one event to one endpoint. The pauses are timers of the workflow, so that no death of a worker loses one. */
export async function deliverWebhook(input: DeliverWebhookInput): Promise<Ended> {
  const attempt = createAttempt(input);
  for (let number = 1; ; number += 1) {
    const pauseMs = RETRY_PAUSES_MS[number - 1] ?? null;
    const outcome = await attempt({ ...input, number, pauseMs });
    if (outcome !== 'failed') return outcome;
    if (pauseMs === null) return 'dead';
    await sleep(pauseMs);
  }
}

/** One attempt, begun as soon as there is room for it; what waits for room holds no worker. */
function createAttempt({ timeoutSeconds }: DeliverWebhookInput): (input: AttemptInput) => Promise<Ended | 'failed'> {
  // Temporal repeats only what broke on our side: a refusal of the endpoint is an answer like any other
  const { attemptDelivery } = proxyActivities<WebhookActivities>({
    startToCloseTimeout: timeoutSeconds * 1_000 + MARGIN_MS,
    heartbeatTimeout: '10 seconds',
    retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '10 seconds' },
  });
  return async (input) => {
    for (let asked = 0; ; asked += 1) {
      const outcome = await attemptDelivery(input);
      if (outcome !== 'busy') return outcome;
      await sleep(BUSY_PAUSES_MS[asked] ?? LONGEST_BUSY_PAUSE_MS);
    }
  };
}
