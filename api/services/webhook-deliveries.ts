import { setTimeout as pause } from 'node:timers/promises';
import type { Database } from '../../db/client.js';
import { derivedId } from '../../db/ids.js';
import type { DeliveryStatus } from '../../db/tables/webhooks.js';
import {
  findDelivery,
  insertTestDelivery,
  listDeliveries,
  redriveDead,
  redriveDelivery,
  type DeliveryDetail,
  type DeliveryFilter,
  type DeliveryRow,
} from '../../db/webhook-deliveries.js';
import { TEST_EVENT } from '../../workflows/contract/webhooks.js';
import type { Actor } from '../actor.js';
import { conflict, notFound } from '../http/errors.js';
import { existing } from './webhook-endpoints.js';
import { pageOfRows, readIdCursor } from './id-cursor.js';

export interface DeliveryPage {
  readonly items: readonly DeliveryRow[];
  readonly next_cursor: string | null;
}

/** The deliveries of the actor's workspace, also of endpoints that are the whole organisation's. */
export interface WebhookDeliveryService {
  readonly list: (
    actor: Actor,
    endpointId: string,
    asked: DeliveryFilter & { readonly cursor?: string | undefined; readonly limit: number },
  ) => Promise<DeliveryPage>;
  readonly get: (actor: Actor, id: string) => Promise<DeliveryDetail>;
  /** Sends `webhook.test`; waits so long for what comes of the first attempt. */
  readonly test: (
    actor: Actor,
    endpointId: string,
    asked: { readonly seed: string; readonly waitSeconds: number },
  ) => Promise<DeliveryDetail>;
  readonly redrive: (actor: Actor, id: string, seed: string) => Promise<DeliveryDetail>;
  /** `more`: there are further ones; call again. */
  readonly redriveDead: (
    actor: Actor,
    endpointId: string,
    since: Date,
  ) => Promise<{ readonly redriven: number; readonly more: boolean }>;
}

const REDRIVES_A_CALL = 1_000;

export function createWebhookDeliveryService({ db }: { readonly db: Database }): WebhookDeliveryService {
  const get = async ({ workspaceId }: Actor, id: string): Promise<DeliveryDetail> => {
    const found = await findDelivery(db, workspaceId, id);
    if (found === undefined) throw notFound('webhook delivery', id);
    return found;
  };
  return {
    get,
    list: (actor, endpointId, asked) => list(db, { actor, endpointId, asked }),
    test: async (actor, endpointId, { seed, waitSeconds }) => {
      const { id, tenant_id: tenantId } = await existing(db, actor, endpointId);
      const ids = { id: derivedId('whd', seed), eventId: derivedId('evt', seed) };
      await insertTestDelivery(db, actor.workspaceId, { ...ids, endpointId: id, tenantId, type: TEST_EVENT });
      return settled(() => get(actor, ids.id), waitSeconds);
    },
    redrive: async (actor, of, seed) => {
      const delivery = await get(actor, of);
      if (!isOver(delivery.status)) {
        throw conflict(`This delivery is ${delivery.status}: only one that has ended can be sent again.`);
      }
      await checkActive(db, actor, delivery.endpoint_id);
      const id = derivedId('whd', seed);
      await redriveDelivery(db, actor.workspaceId, { of, id });
      return get(actor, id);
    },
    redriveDead: async (actor, endpointId, since) => {
      await checkActive(db, actor, endpointId);
      const asked = { endpointId, since, limit: REDRIVES_A_CALL };
      const redriven = await redriveDead(db, actor.workspaceId, asked);
      return { redriven, more: redriven === REDRIVES_A_CALL };
    },
  };
}

const isOver = (status: DeliveryStatus): boolean => status !== 'pending' && status !== 'delivering';

async function checkActive(db: Database, actor: Actor, endpointId: string): Promise<void> {
  const { is_active: isActive } = await existing(db, actor, endpointId);
  if (isActive) return;
  throw conflict(
    `The endpoint is off: turn it on with PATCH /v1/webhook-endpoints/${endpointId} {"is_active": true}, then send again.`,
  );
}

async function list(
  db: Database,
  {
    actor,
    endpointId,
    asked: { cursor, limit, ...filter },
  }: {
    readonly actor: Actor;
    readonly endpointId: string;
    readonly asked: Parameters<WebhookDeliveryService['list']>[2];
  },
): Promise<DeliveryPage> {
  await existing(db, actor, endpointId);
  const before = readIdCursor('whd', cursor);
  const rows = await listDeliveries(db, actor.workspaceId, { ...filter, endpointId, before, limit: limit + 1 });
  return pageOfRows(rows, limit);
}

const ASK_EVERY_MS = 100;

/** As it is once an attempt has ended, or when the time is up. */
async function settled(ask: () => Promise<DeliveryDetail>, waitSeconds: number): Promise<DeliveryDetail> {
  const end = Date.now() + waitSeconds * 1_000;
  for (;;) {
    const delivery = await ask();
    const isTried = delivery.attempts > 0 && delivery.status !== 'delivering';
    if (isTried || Date.now() >= end) return delivery;
    await pause(ASK_EVERY_MS);
  }
}
