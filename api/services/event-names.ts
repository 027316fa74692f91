import type { LoggedEvent } from '../../db/run-events.js';
import type { Json } from '../../workflows/definition/values.js';

/** The names under which events of the log are known outside, to webhooks and to filters of sockets alike. */
export const eventNames = [
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
export type EventName = (typeof eventNames)[number];

type Data = Readonly<Record<string, Json>>;
type Names = Readonly<Record<string, EventName>>;

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
  eventNames
    .filter((name) => name.startsWith('call.'))
    .map((name) => [name === 'call.agent.changed' ? 'call.agent_changed' : name, name]),
);

const nameBy: Readonly<Record<string, (data: Data) => EventName | undefined>> = {
  // somebody who asked for the end is not told of what comes on the way there
  run: ({ status, cancel_requested_at: asked }) => look(ends, status) ?? (asked ? undefined : look(moves, status)),
  step: ({ status }) => look(steps, status),
  wait: ({ kind, status }) => (kind === 'decision' ? look(decisions, status) : undefined),
  call: ({ event }) => look(calls, event),
};

const look = (names: Names, key: Json | undefined): EventName | undefined =>
  typeof key === 'string' ? names[key] : undefined;

/** Undefined for what has no name outside, such as the words of a model. */
export const eventNameOf = ({ type, data }: Pick<LoggedEvent, 'type' | 'data'>): EventName | undefined =>
  nameBy[type]?.(data);
