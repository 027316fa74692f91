import type { Selectable } from 'kysely';
import type { Database } from '../../db/client.js';
import { scoped } from '../../db/scoped.js';
import type { Tables } from '../../db/tables.js';
import { cleanJson } from '../../db/values.js';
import { TEST_EVENT } from '../../workflows/contract/webhooks.js';
import type { Json } from '../../workflows/definition/values.js';
import { callPart } from './payload-call.js';
import { runPart, stepPart, waitPart } from './payload-run.js';

/** As the contract of call webhooks fixes it. */
const API_VERSION = '2026-01-19';

export type Delivery = Pick<
  Selectable<Tables['webhook_deliveries']>,
  'event_id' | 'type' | 'run_id' | 'seq' | 'workspace_id' | 'tenant_id' | 'endpoint_id' | 'created_at'
>;

/** What happened, as the log has it. */
export interface Happened {
  /** The event's public name. */
  readonly type: string;
  readonly workspaceId: string;
  readonly runId: string;
  readonly seq: number;
  readonly data: Readonly<Record<string, Json>>;
  /** Where callers reach the API. */
  readonly baseUrl: string;
}

/** The part of a payload that is about the event itself. */
export interface Part {
  readonly isLive: boolean;
  readonly data: Readonly<Record<string, Json>>;
}

type Builder = (db: Database, happened: Happened) => Promise<Part>;

const builders: Readonly<Record<string, Builder>> = {
  run: runPart,
  step: stepPart,
  approval: waitPart,
  call: callPart,
};

/**
 * The text of an event's body: one envelope that holds what Standard Webhooks asks for and what the contract of call
 * webhooks names. What happened comes from the log, the rest from the read model as it is now.
 */
export async function payloadOf(db: Database, delivery: Delivery, baseUrl: string): Promise<string> {
  const event = await eventOf(db, delivery);
  const part =
    event === undefined ? partWithoutEvent(delivery) : await partOf(db, { ...event, type: delivery.type, baseUrl });
  const at = event?.at ?? delivery.created_at;
  const body = {
    id: delivery.event_id,
    object: 'event',
    api_version: API_VERSION,
    type: delivery.type,
    timestamp: at.toISOString(),
    created: Math.floor(at.getTime() / 1_000),
    tenant_id: delivery.tenant_id,
    workspace_id: delivery.workspace_id,
    livemode: part.isLive,
    data: part.data,
  };
  return JSON.stringify(cleanJson(body));
}

const partOf = (db: Database, happened: Happened): Promise<Part> => {
  const build = builders[happened.type.split('.')[0] ?? ''] ?? runPart;
  return build(db, happened);
};

async function eventOf(
  db: Database,
  { workspace_id: workspaceId, run_id: runId, seq }: Delivery,
): Promise<(Omit<Happened, 'baseUrl' | 'type'> & { readonly at: Date }) | undefined> {
  if (runId === null || seq === null) return undefined;
  const row = await scoped(db, workspaceId)
    .select('run_events')
    .select(['data', 'at'])
    .where('run_id', '=', runId)
    .where('seq', '=', seq)
    .executeTakeFirst();
  return row === undefined ? undefined : { workspaceId, runId, seq, ...row };
}

/** A test, or a run that was removed before its event was first sent. */
function partWithoutEvent({ type, endpoint_id: endpoint, run_id: runId }: Delivery): Part {
  if (type !== TEST_EVENT) return { isLive: true, data: { run_id: runId } };
  const message = 'This is a test: it shows that events reach this address and that its signature can be checked.';
  return { isLive: false, data: { endpoint_id: endpoint, message } };
}
