/** The names that webhooks, and whoever else is told of runs and calls, know events by. */
export const webhookEventTypes = [
  'run.started',
  'run.waiting',
  'run.paused',
  'run.completed',
  'run.failed',
  'run.cancelled',
  'step.completed',
  'step.failed',
  'approval.requested',
  'approval.decided',
  'call.started',
  'call.connected',
  'call.agent.changed',
  'call.completed',
  'call.failed',
  'call.disconnected',
  'call.timeout',
] as const;
export type WebhookEventType = (typeof webhookEventTypes)[number];

/** What an endpoint may ask for besides exact names. */
export const webhookWildcards = ['*', 'run.*', 'step.*', 'approval.*', 'call.*'] as const;

/** Of a call that somebody makes by hand to see whether it arrives. */
export const TEST_EVENT = 'webhook.test';

/** The pauses after the first, second, ... attempt. */
export const RETRY_PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 16_000] as const;

export interface DeliveryRef {
  readonly workspaceId: string;
  readonly deliveryId: string;
}

export interface DeliverWebhookInput extends DeliveryRef {
  /** How long the endpoint may take to answer. */
  readonly timeoutSeconds: number;
  /** Where callers reach the API: what is too large to send is read there. */
  readonly baseUrl: string;
}

export interface AttemptInput extends DeliverWebhookInput {
  /** 1 for the first. */
  readonly number: number;
  /** The pause before the next; null: this is the last. */
  readonly pauseMs: number | null;
}

/**
 * `failed`: the next attempt is due after the pause. `busy`: nothing was sent, since the endpoint or this worker is at
 * its limit; ask again. The others are the end, and on record.
 */
export type AttemptOutcome = 'delivered' | 'failed' | 'busy' | 'dead' | 'stopped';

export interface WebhookActivities {
  /** Sends once. Repeated after a crash it sends the same bytes again, unless the attempt is on record. */
  readonly attemptDelivery: (input: AttemptInput) => Promise<AttemptOutcome>;
}

/** The same id is the same delivery. */
export const deliveryWorkflowId = ({ workspaceId, deliveryId }: DeliveryRef): string =>
  `hook/${workspaceId}/${deliveryId}`;
