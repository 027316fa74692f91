import type { LoggedEvent } from '../../db/run-events.js';
import { webhookEventTypes, type WebhookEventType } from '../../workflows/contract/webhooks.js';
import type { Json } from '../../workflows/definition/values.js';

type Data = Readonly<Record<string, Json>>;
type Names = Readonly<Record<string, WebhookEventType>>;

const ends: Names = { completed: 'run.completed', failed: 'run.failed', cancelled: 'run.cancelled' };
const moves: Names = { running: 'run.started', waiting: 'run.waiting', paused: 'run.paused' };
const steps: Names = { completed: 'step.completed', failed: 'step.failed' };
const decisions: Names = {
  pending: 'approval.requested',
  approved: 'approval.decided',
  denied: 'approval.decided',
  expired: 'approval.decided',
};
const calls: Names = Object.fromEntries(
  webhookEventTypes
    .filter((name) => name.startsWith('call.'))
    .map((name) => [name === 'call.agent.changed' ? 'call.agent_changed' : name, name]),
);

const nameBy: Readonly<Record<string, (data: Data) => WebhookEventType | undefined>> = {
  // somebody who asked for the end is not told of what comes on the way there
  run: ({ status, cancel_requested_at: asked }) => look(ends, status) ?? (asked ? undefined : look(moves, status)),
  step: ({ status }) => look(steps, status),
  wait: ({ kind, status }) => (kind === 'decision' ? look(decisions, status) : undefined),
  call: ({ event }) => look(calls, event),
};

const look = (names: Names, key: Json | undefined): WebhookEventType | undefined =>
  typeof key === 'string' ? names[key] : undefined;

/**
 * The name under which webhooks and filters of sockets know an event of the log; undefined for what has none, such as
 * the words of a model. `webhook_event_type` in the database says the same.
 */
export const eventNameOf = ({ type, data }: Pick<LoggedEvent, 'type' | 'data'>): WebhookEventType | undefined =>
  nameBy[type]?.(data);
