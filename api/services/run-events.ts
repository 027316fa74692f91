import {
  markDelivered,
  runsWaitingFor,
  storedEvent,
  undeliveredEvents,
  type StoredEvent,
} from '../../db/event-delivery.js';
import { storeEvent } from '../../db/events.js';
import type { Database } from '../../db/client.js';
import { derivedId } from '../../db/ids.js';
import type { Json } from '../../workflows/definition/values.js';
import { conflict } from '../http/errors.js';
import type { Actor } from '../actor.js';
import type { TemporalGateway } from '../temporal/gateway.js';
import { mustBeOpen } from './run-commands.js';
import type { RunService } from './runs.js';

export interface OutsideEvent {
  readonly actor: Actor;
  readonly name: string;
  readonly key: string | null;
  /** The sender's: the same name, key and id are the same event. */
  readonly id: string | undefined;
  readonly payload: Json;
  readonly seed: string;
}

export interface RaisedEvent {
  readonly id: string;
  /** It had come before. */
  readonly duplicate: boolean;
  readonly delivered_to: readonly string[];
}

export interface RunEventService {
  /** Keeps the event and tells every run that waits for it; a run that waits later finds it. */
  readonly raise: (event: OutsideEvent) => Promise<RaisedEvent>;
  /** Tells one run, whether it waits already or not. */
  readonly raiseOn: (runId: string, event: OutsideEvent) => Promise<RaisedEvent>;
  /** Tells runs of events that were kept by a process that died before it told them. */
  readonly deliverPending: () => Promise<void>;
}

export interface RunEventDeps {
  readonly db: Database;
  readonly runs: Pick<RunService, 'startQueued' | 'acceptValue'>;
  readonly temporal: Pick<TemporalGateway, 'signalEvent'>;
  readonly log: { readonly warn: (fields: object, message: string) => void };
}

export function createRunEventService(deps: RunEventDeps): RunEventService {
  return {
    raise: (event) => raise(deps, event),
    raiseOn: (runId, event) => raiseOn(deps, runId, event),
    deliverPending: () => deliverPending(deps),
  };
}

const idOf = ({ id, seed }: OutsideEvent): string => id ?? derivedId('evt', seed);

async function raise(deps: RunEventDeps, asked: OutsideEvent): Promise<RaisedEvent> {
  const { db, log, runs } = deps;
  const { actor, name, key } = asked;
  const { workspaceId } = actor;
  const id = idOf(asked);
  // a large payload is nobody's yet: whichever runs take it refer to it
  const payload = await runs.acceptValue({ workspaceId, runId: null }, asked.payload);
  const isNew = await storeEvent(db, { workspaceId, id, name, key, payload });
  const answer = { id, duplicate: !isNew };
  const event = await storedEvent(db, { workspaceId, name, key, id });
  if (event === null || event.isDelivered) return { ...answer, delivered_to: [] };
  try {
    return { ...answer, delivered_to: await deliver(deps, event) };
  } catch (error) {
    log.warn({ event: id, reason: String(error) }, 'an event is kept and delivered when Temporal answers');
    return { ...answer, delivered_to: [] };
  }
}

/** Tells the runs that waited for it when it came. */
async function deliver({ db, temporal }: RunEventDeps, stored: StoredEvent): Promise<readonly string[]> {
  const { id, name, key, payload } = stored;
  const told: string[] = [];
  for (const run of await runsWaitingFor(db, stored)) {
    if (await temporal.signalEvent(run, { id, name, key, payload })) told.push(run.runId);
  }
  await markDelivered(db, stored);
  return told;
}

async function raiseOn(deps: RunEventDeps, runId: string, asked: OutsideEvent): Promise<RaisedEvent> {
  const { db, runs, temporal } = deps;
  const { actor, name, key } = asked;
  const run = { workspaceId: actor.workspaceId, runId };
  await mustBeOpen(db, run);
  const event = { id: idOf(asked), name, key, payload: await runs.acceptValue(run, asked.payload) };
  const send = (): Promise<boolean> => temporal.signalEvent(run, event);
  const isTold = (await send()) || ((await runs.startQueued(run)) && (await send()));
  if (!isTold) throw conflict('The run has ended.');
  return { id: event.id, duplicate: false, delivered_to: [runId] };
}

/** A younger event is most likely being delivered by the request that brought it. */
const PENDING_FOR_MS = 5_000;
const BATCH = 100;

async function deliverPending(deps: RunEventDeps): Promise<void> {
  for (const event of await undeliveredEvents(deps.db, PENDING_FOR_MS, BATCH)) await deliver(deps, event);
}
