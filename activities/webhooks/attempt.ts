import { Context } from '@temporalio/activity';
import type { Database } from '../../db/client.js';
import { previousWebhookSecret, webhookSecret } from '../../db/vault/sealed-columns.js';
import type { Vault } from '../../db/vault/vault.js';
import {
  beginAttempt,
  endAttempt,
  endDelivery,
  findDueDelivery,
  keepBody,
  type AttemptEnd,
  type AttemptResult,
  type DueDelivery,
} from '../../db/webhook-attempts.js';
import { noteDead, noteDelivered, noteFailed } from '../../db/webhook-health.js';
import {
  TEST_EVENT,
  type AttemptInput,
  type AttemptOutcome,
  type WebhookActivities,
} from '../../workflows/contract/webhooks.js';
import type { Disable } from './disable.js';
import { payloadOf } from './payload.js';
import type { Post } from './post.js';
import type { Slots } from './slots.js';

export interface AttemptDeps {
  readonly db: Database;
  readonly vault: Vault;
  readonly post: Post;
  readonly slots: Slots;
  readonly disable: Disable;
  /** An endpoint is turned off after so many deliveries in a row that were given up. */
  readonly mostDead: number;
}

/** An attempt that has not ended this long after its time is nobody's any more. */
const LEASE_MARGIN_MS = 60_000;
const DAYS_OF_PATIENCE = 5;
const GONE = 410;

export const createWebhookActivities = (deps: AttemptDeps): WebhookActivities => ({
  attemptDelivery: (input) => attempt(deps, input),
});

async function attempt(deps: AttemptDeps, input: AttemptInput): Promise<AttemptOutcome> {
  const due = await findDueDelivery(deps.db, input, input.number);
  if (due === undefined) return 'stopped';
  const before = outcomeBefore(due);
  if (before !== null) return before;
  if (!isWanted(due)) return giveUp(deps, input, due);
  const release = deps.slots.take(due.endpoint.id);
  if (release === null) return 'busy';
  try {
    const result = await send(deps, input, due);
    return await record(deps, input, { due, result });
  } finally {
    release();
  }
}

/** What is on record is not done again. */
function outcomeBefore({ delivery, isRecorded }: DueDelivery): AttemptOutcome | null {
  if (delivery.status === 'delivered' || delivery.status === 'dead') return delivery.status;
  if (delivery.status === 'cancelled') return 'stopped';
  return isRecorded ? 'failed' : null;
}

/** A test is sent to an endpoint that is off, too: it shows whether it may be turned on. */
const isWanted = ({ delivery, endpoint }: DueDelivery): boolean =>
  endpoint.deleted_at === null && (endpoint.is_active || delivery.type === TEST_EVENT);

async function giveUp({ db }: AttemptDeps, input: AttemptInput, { endpoint }: DueDelivery): Promise<AttemptOutcome> {
  if (endpoint.deleted_at !== null) {
    await endDelivery(db, input, { status: 'cancelled', error: 'The endpoint was deleted.' });
    return 'stopped';
  }
  const error = endpoint.disabled_reason ?? 'The endpoint was turned off.';
  await endDelivery(db, input, { status: 'dead', error });
  return 'dead';
}

async function send(
  deps: AttemptDeps,
  input: AttemptInput,
  { delivery, endpoint }: DueDelivery,
): Promise<AttemptResult> {
  const { number } = input;
  const body = delivery.body ?? (await keepBody(deps.db, input, await payloadOf(deps.db, delivery, input.baseUrl)));
  const timeoutMs = Math.min(endpoint.timeout_seconds, input.timeoutSeconds) * 1_000;
  const secrets = await secretsOf(deps.vault, endpoint);
  await beginAttempt(deps.db, input, { number, leaseMs: timeoutMs + LEASE_MARGIN_MS });
  const { url, headers } = endpoint;
  const answer = await deps.post({
    ...{ workspaceId: input.workspaceId, url, headers, body, secrets, timeoutMs },
    id: delivery.event_id,
    stopping: Context.current().cancellationSignal,
  });
  return { number, ...answer };
}

/** The newest first; the one before signs too while the overlap lasts. */
async function secretsOf(vault: Vault, endpoint: DueDelivery['endpoint']): Promise<readonly string[]> {
  const of = { tenantId: endpoint.tenant_id, id: endpoint.id };
  const secret = await vault.open(webhookSecret(of), endpoint.secret_sealed);
  const { previous_secret_sealed: sealed, previous_expires_at: until } = endpoint;
  if (sealed === null || until === null || until.getTime() <= Date.now()) return [secret];
  return [secret, await vault.open(previousWebhookSecret(of), sealed)];
}

const isAccepted = (status: number | null): boolean => status !== null && status >= 200 && status < 300;

function endOf({ status }: AttemptResult, pauseMs: number | null): AttemptEnd {
  if (isAccepted(status)) return { kind: 'delivered' };
  return pauseMs === null || status === GONE ? { kind: 'dead' } : { kind: 'failed', pauseMs };
}

async function record(
  deps: AttemptDeps,
  input: AttemptInput,
  { due: { endpoint }, result }: { readonly due: DueDelivery; readonly result: AttemptResult },
): Promise<AttemptOutcome> {
  const end = endOf(result, input.pauseMs);
  // before the attempt is on record: after a crash in between both are noted again, which changes nothing
  if (end.kind === 'delivered') await noteDelivered(deps.db, endpoint.id);
  else if (end.kind === 'failed') await noteFailed(deps.db, endpoint.id);
  await endAttempt(deps.db, input, { ...result, end });
  if (end.kind === 'dead') await decline(deps, input, { endpointId: endpoint.id, status: result.status });
  return end.kind;
}

/** A delivery was given up: the endpoint is turned off when it says so itself, or has been failing for too long. */
async function decline(
  { db, disable, mostDead }: AttemptDeps,
  { workspaceId }: AttemptInput,
  { endpointId, status }: { readonly endpointId: string; readonly status: number | null },
): Promise<void> {
  const { deadInARow, failingForDays } = await noteDead(db, endpointId);
  const off = (reason: string): Promise<void> => disable({ endpointId, workspaceId, reason });
  if (status === GONE) await off('The receiver answered 410 Gone: it wants no more events.');
  else if (failingForDays >= DAYS_OF_PATIENCE) await off(`Every attempt of ${DAYS_OF_PATIENCE} days in a row failed.`);
  else if (deadInARow >= mostDead) await off(`${deadInARow} deliveries in a row failed all their attempts.`);
}
