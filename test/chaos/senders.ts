import { setTimeout as pause } from 'node:timers/promises';
import type { Heard } from './followers.js';
import { EVENT } from './graph-documents.js';
import type { GraphLedger, GraphLoad } from './graph-load.js';
import { eventIds, type Order } from './orders.js';
import { randomOf } from './random.js';

export interface Senders {
  /** Posts the events of an order, in no particular order. */
  readonly post: (order: Order, which: 'first' | 'second' | 'both') => Promise<void>;
  /** What the stream says of a wait; one for an event gets it now, unless it was posted before. */
  readonly asked: (data: Heard['data']) => void;
}

/** Whoever sends the orders' events from outside. */
export function createSenders(load: GraphLoad, ledger: GraphLedger): Senders {
  const orders = new Map(ledger.orders.map((order) => [order.name, order]));
  const posted = new Set<string>();
  const post = async (order: Order, which: 'first' | 'second' | 'both'): Promise<void> => {
    const [first, second] = eventIds(order);
    const ids = which === 'both' ? [first, second] : [which === 'first' ? first : second];
    // an order that is cancelled never gets its second one
    const sent = ids.filter((id) => id !== second || order.mode !== 'cancel');
    await Promise.all(sent.map((id) => postOne(load, ledger, { order, id })));
    load.pulse.beat();
  };
  const respond = async (runId: string, nodeId: string): Promise<void> => {
    const order = orders.get(await load.milestones.orderOf(runId));
    const which = nodeId === 'paid' ? 'first' : 'second';
    if (order === undefined || order.posting === 'early' || posted.has(`${order.name}/${which}`)) return;
    posted.add(`${order.name}/${which}`);
    await post(order, which);
  };
  return {
    post: (order, which) => guarded(load, ledger, post(order, which)),
    asked: ({ kind, status, run_id: runId, node_id: nodeId }) => {
      if (kind !== 'event' || status !== 'pending') return;
      void guarded(load, ledger, respond(String(runId), String(nodeId)));
    },
  };
}

const guarded = (load: GraphLoad, ledger: GraphLedger, work: Promise<void>): Promise<void> =>
  work.catch((error: unknown) => {
    if (!load.signal.aborted) ledger.surprises.push(`an event could not be posted: ${String(error)}`);
  });

async function postOne(
  load: GraphLoad,
  ledger: GraphLedger,
  { order, id }: { readonly order: Order; readonly id: string },
): Promise<void> {
  const { callers, seed, signal } = load;
  const random = randomOf(seed, `event/${id}`);
  const client = callers[random.between(0, callers.length)] ?? callers[0];
  const event = { name: EVENT, key: order.name, id, payload: { of: order.name, id } };
  const call = { method: 'POST', path: '/v1/events', body: event } as const;
  // nobody waits for this one
  if (random.chance(0.2)) await client.call({ ...call, body: { ...event, key: `nobody-${order.name}` } });
  if (order.posting === 'lost') await client.abandon(call, random.between(1, 40));
  const { status, body } = await client.call(call);
  if (status === 202) ledger.events.add(id);
  else ledger.surprises.push(`event ${id} was answered ${status}: ${JSON.stringify(body)}`);
  if (order.posting !== 'twice') return;
  await pause(random.between(0, 1_500), undefined, { signal });
  const again = await client.call(call);
  ledger.counts.repeatedEvents += 1;
  if (again.status !== 202 || again.body['duplicate'] !== true)
    ledger.surprises.push(`event ${id} sent again was answered ${again.status}: ${JSON.stringify(again.body)}`);
}
