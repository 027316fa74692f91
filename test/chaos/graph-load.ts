import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from './client.js';
import { follow, type Follower, type Heard } from './followers.js';
import { DESK } from './graph-documents.js';
import type { Milestones } from './milestones.js';
import { ordersOf, type Order } from './orders.js';
import { createPeople } from './people.js';
import type { Pulse } from './pulse.js';
import { randomOf } from './random.js';
import { createSenders } from './senders.js';
import type { Sink } from './sink.js';

/** What the callers of the graphs know at the end. */
export interface GraphLedger {
  readonly orders: readonly Order[];
  /** The run that each order was answered with, by its name. */
  readonly runs: Map<string, string>;
  /** Ids of events that were answered with success. */
  readonly events: Set<string>;
  /** Answers no caller should get. */
  readonly surprises: string[];
  /** How often a person said what became of an effect, and was asked twice for a vote. */
  readonly counts: { truths: number; votes: number; repeatedEvents: number };
}

export interface GraphLoad {
  readonly urls: readonly string[];
  readonly token: string;
  /** The same person by its session, and a second one by a token of the workspace. */
  readonly callers: readonly [Client, Client];
  readonly sink: Sink;
  readonly seed: number;
  readonly count: number;
  readonly pulse: Pulse;
  readonly milestones: Milestones;
  readonly signal: AbortSignal;
}

export const createGraphLedger = (seed: number, count: number): GraphLedger => ({
  orders: ordersOf(seed, count),
  runs: new Map(),
  events: new Set(),
  surprises: [],
  counts: { truths: 0, votes: 0, repeatedEvents: 0 },
});

/** Starts every order, spread over the kills, and cancels those that are to be. */
export async function startOrders(load: GraphLoad, ledger: GraphLedger, meanGapMs: number): Promise<void> {
  const random = randomOf(load.seed, 'order-starts');
  const { post } = createSenders(load, ledger);
  const cancels: Promise<void>[] = [];
  for (const order of ledger.orders) {
    const runId = await startOrder(load, ledger, order);
    load.pulse.beat();
    if (order.posting === 'early') void post(order, 'both');
    if (order.mode === 'cancel') cancels.push(cancelOrder(load, ledger, { order, runId }));
    await pause(random.between(0, 2 * meanGapMs + 1), undefined, { signal: load.signal });
  }
  await Promise.all(cancels);
}

async function startOrder(
  { callers: [client], milestones }: GraphLoad,
  ledger: GraphLedger,
  order: Order,
): Promise<string> {
  const { name, mode, items } = order;
  const call = {
    method: 'POST',
    path: '/v1/runs',
    key: name,
    body: { definition: DESK, input: { order: name, mode, items }, tags: [mode], wait: name.endsWith('3') ? 1 : 0 },
  } as const;
  // now and then the same order is sent twice at once, as by an impatient caller
  const twins = await Promise.all(Array.from({ length: name.endsWith('5') ? 2 : 1 }, () => client.call(call)));
  for (const { status, body } of twins) {
    const runId = String(body['id']);
    if (status !== 202 && status !== 200)
      ledger.surprises.push(`start ${name} was answered ${status}: ${JSON.stringify(body)}`);
    else if ((ledger.runs.get(name) ?? runId) !== runId) ledger.surprises.push(`start ${name} made two runs`);
    else ledger.runs.set(name, runId);
  }
  const accepted = ledger.runs.get(name) ?? '';
  milestones.accepted(name, accepted);
  return accepted;
}

async function cancelOrder(
  { callers: [client], milestones, pulse }: GraphLoad,
  ledger: GraphLedger,
  { order, runId }: { readonly order: Order; readonly runId: string },
): Promise<void> {
  await milestones.reached(runId, order.cancelAfter);
  const path = `/v1/runs/${runId}/cancel`;
  const { status, body } = await client.call({ method: 'POST', path, key: `cancel-${runId}`, body: {} });
  pulse.beat();
  // it waits for an event nobody sends, so it cannot have ended in another way
  if (status !== 202) ledger.surprises.push(`cancel ${order.name} was answered ${status}: ${JSON.stringify(body)}`);
}

/** Follows everything that happens in the workspace, and answers what the runs wait for. */
export function watchOrders(load: GraphLoad, ledger: GraphLedger): Follower & { readonly settled: Promise<void> } {
  const { urls, token, seed, pulse, signal } = load;
  const people = createPeople(load, ledger);
  const senders = createSenders(load, ledger);
  const open = new Set<string>();
  const ended = new Set<string>();
  let settle: () => void = () => undefined;
  const settled = new Promise<void>((resolve, reject) => {
    settle = resolve;
    // -- reason: it is aborted with errors only
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  const onHeard = ({ event, data }: Heard): void => {
    if (event === 'wait') {
      people.asked(data);
      senders.asked(data);
    }
    if (event !== 'run') return;
    const runId = String(data['run_id']);
    pulse.beat();
    if (hasEnded(data)) {
      ended.add(runId);
      open.delete(runId);
    } else open.add(runId);
    const isAll = [...ledger.runs.values()].filter((id) => ended.has(id)).length === load.count;
    if (isAll && open.size === 0) settle();
  };
  const path = '/v1/stream?topics=runs,waits';
  const follower = follow({ urls, token, path, random: randomOf(seed, 'stream'), signal, onHeard });
  return { ...follower, settled };
}

const hasEnded = ({ status }: Heard['data']): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled';

/** Some of the runs are followed one by one as well, from their start to their end. */
export async function followSome(load: GraphLoad, ledger: GraphLedger, some: number): Promise<Map<string, Follower>> {
  const { urls, token, seed, signal, milestones } = load;
  const followers = new Map<string, Follower>();
  const every = Math.max(1, Math.floor(ledger.orders.length / some));
  for (const { name } of ledger.orders.filter((_, index) => index % every === 0)) {
    const runId = await milestones.known(name);
    const path = `/v1/runs/${runId}/stream`;
    followers.set(runId, follow({ urls, token, path, random: randomOf(seed, `follow/${name}`), signal }));
  }
  return followers;
}
