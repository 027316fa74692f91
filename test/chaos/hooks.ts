import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import type { Client } from './client.js';
import { answer, type Fault } from './faults.js';
import { randomOf } from './random.js';

/** Webhooks in both directions: a receiver of events that has bad days, and a provider that sends until it is heard. */

/** What the receiver knows of one webhook id. */
export interface Told {
  readonly type: string;
  readonly runId: string;
  readonly bodies: ReadonlySet<string>;
  readonly deliveries: number;
}

export interface Receiver {
  readonly url: string;
  readonly host: string;
  /** By webhook id. */
  readonly told: ReadonlyMap<string, Told>;
  readonly complaints: readonly string[];
  /** Events that come before it is known are refused, and come again. */
  readonly trust: (secret: string) => void;
  readonly close: () => Promise<void>;
}

interface Entry extends Told {
  readonly bodies: Set<string>;
  deliveries: number;
  readonly faults: Fault[];
}

interface Book {
  readonly seed: number;
  readonly told: Map<string, Entry>;
  readonly complaints: string[];
  webhook: Webhook | null;
}

export async function startReceiver({
  seed,
  port,
}: {
  readonly seed: number;
  readonly port: number;
}): Promise<Receiver> {
  const book: Book = { seed, told: new Map(), complaints: [], webhook: null };
  const server = createServer((request, response) => {
    receive(book, request, response).catch(() => request.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
  const host = `127.0.0.1:${port}`;
  return {
    ...{ host, url: `http://${host}/events`, told: book.told, complaints: book.complaints },
    trust: (secret) => {
      book.webhook = new Webhook(secret);
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function receive(book: Book, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer); // -- reason: no encoding is set
  const body = Buffer.concat(chunks).toString('utf8');
  const id = String(request.headers['webhook-id']);
  if (book.webhook === null) return void response.writeHead(503).end();
  try {
    book.webhook.verify(body, namedHeaders(request));
  } catch (error) {
    book.complaints.push(`webhook ${id} does not verify: ${String(error)}`);
    return void response.writeHead(400).end();
  }
  const entry = entryOf(book, id, body);
  entry.deliveries += 1;
  entry.bodies.add(body);
  answer(response, entry.faults.shift(), { status: 200, body: { ok: true } });
}

const namedHeaders = ({ headers }: IncomingMessage): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));

/** Two faults at most, far fewer than there are attempts: nothing need die. */
function entryOf({ told, seed }: Book, id: string, body: string): Entry {
  const known = told.get(id);
  if (known !== undefined) return known;
  // -- reason: the form of our own events
  const { type, data } = JSON.parse(body) as { readonly type: string; readonly data: { readonly run_id: string } };
  const random = randomOf(seed, `told/${type}/${told.size}`);
  const faults = random.shuffled<Fault>(['error', 'busy', 'drop', 'dropAfterEffect']).slice(0, random.between(0, 3));
  const entry = { type, runId: data.run_id, bodies: new Set<string>(), deliveries: 0, faults: [...faults] };
  told.set(id, entry);
  return entry;
}

export const INBOUND = 'inbound';

/** An endpoint for the receiver and a source for the provider. */
export async function makeHooks(client: Client, receiver: Receiver): Promise<ProviderOf> {
  const endpoint = await must(client, '/v1/webhook-endpoints', { url: receiver.url, event_types: ['run.*'] });
  receiver.trust(String(endpoint['secret']));
  const graph = {
    nodes: [
      { id: 'start', type: 'start' },
      { id: 'note', type: 'code', config: { source: 'return { note: input.body.number };' } },
    ],
    edges: [{ source: 'start', target: 'note' }],
  };
  const { id } = await must(client, '/v1/workflows', { name: INBOUND, slug: INBOUND, engine: 'automation', graph });
  await must(client, `/v1/workflows/${String(id)}/publish`, {});
  const source = { name: 'Provider', slug: 'provider', provider: 'standard', target: { definition: String(id) } };
  const { url, secret } = await must(client, '/v1/ingress-sources', source);
  return { path: new URL(String(url)).pathname, secret: String(secret) };
}

async function must(client: Client, path: string, body: object): Promise<Readonly<Record<string, unknown>>> {
  const reply = await client.call({ method: 'POST', path, body });
  if (reply.status >= 300) throw new Error(`${path} was answered ${reply.status}: ${JSON.stringify(reply.body)}`);
  return reply.body;
}

export interface ProviderOf {
  readonly path: string;
  readonly secret: string;
}

export interface ProviderLoad extends ProviderOf {
  readonly urls: readonly string[];
  readonly seed: number;
  readonly count: number;
  readonly everyMs: number;
  readonly signal: AbortSignal;
}

/** What was accepted, by the provider's id: how often, and under which of our ids. */
export interface Sent {
  readonly accepted: Map<string, Set<string>>;
  attempts: number;
}

export const messageIds = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `msg-${index}`);

/** Sends each message until it is accepted; a third of them twice at the same time. */
export async function sendMessages(load: ProviderLoad, sent: Sent): Promise<void> {
  const { seed, count, everyMs, signal } = load;
  const sending = messageIds(count).map(async (id, index) => {
    const random = randomOf(seed, `provider/${id}`);
    await pause(index * everyMs, undefined, { signal });
    const times = random.chance(1 / 3) ? 2 : 1;
    await Promise.all(Array.from({ length: times }, () => sendOne(load, sent, { id, index })));
  });
  await Promise.all(sending);
}

async function sendOne(
  { path, secret, urls, seed, signal }: ProviderLoad,
  sent: Sent,
  { id, index }: { readonly id: string; readonly index: number },
): Promise<void> {
  const random = randomOf(seed, `provider/${id}/way`);
  const body = JSON.stringify({ number: index });
  for (;;) {
    signal.throwIfAborted();
    sent.attempts += 1;
    const now = new Date();
    const headers = {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
      'webhook-signature': new Webhook(secret).sign(id, now, body),
    };
    // some senders leave before they are answered, and send again
    const patienceMs = random.chance(0.2) ? random.between(1, 40) : 10_000;
    const url = `${urls[random.between(0, urls.length)] ?? ''}${path}`;
    const reply = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(patienceMs) })
      .then(async (response) => ({ status: response.status, body: await response.text() }))
      .catch(() => undefined);
    if (reply?.status === 202) {
      // -- reason: the reply of our own route
      const { id: ours } = JSON.parse(reply.body) as { readonly id: string };
      sent.accepted.set(id, (sent.accepted.get(id) ?? new Set()).add(ours));
      return;
    }
    if (reply !== undefined && reply.status < 500 && reply.status !== 429)
      throw new Error(`webhook ${id} was answered ${reply.status}: ${reply.body}`);
    await pause(random.between(50, 400), undefined, { signal });
  }
}
