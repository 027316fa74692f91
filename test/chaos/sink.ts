import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomOf } from './random.js';

/** What the receiver knows of one idempotency key. */
export interface Received {
  readonly runId: string;
  readonly nodeId: string;
  /** Requests with this key that came whole. */
  readonly deliveries: number;
  /** 1 once the effect was made. */
  readonly effects: number;
  /** Deliveries after that, which the key kept from taking effect again. */
  readonly duplicates: number;
  readonly bodies: ReadonlySet<string>;
}

export interface Sink {
  readonly url: string;
  /** What the platform must be allowed to reach. */
  readonly host: string;
  readonly received: () => ReadonlyMap<string, Received>;
  readonly refused: () => number;
  /** What a receiver that looks closely would complain of. */
  readonly complaints: readonly string[];
  readonly close: () => Promise<void>;
}

export interface SinkOptions {
  readonly seed: number;
  readonly port: number;
  readonly secret: string;
  readonly onEffect: () => void;
}

type Fault = 'error' | 'busy' | 'drop' | 'dropAfterEffect';

interface Entry {
  readonly runId: string;
  readonly nodeId: string;
  deliveries: number;
  effects: number;
  duplicates: number;
  readonly bodies: Set<string>;
  readonly faults: Fault[];
}

/** A receiver that honours idempotency keys, on a bad day: some keys meet up to three faults before they get through. */
export async function startSink({ seed, port, secret, onEffect }: SinkOptions): Promise<Sink> {
  const entries = new Map<string, Entry>();
  const complaints: string[] = [];
  let refused = 0;

  const entryOf = (key: string, body: string): Entry => {
    const known = entries.get(key);
    if (known !== undefined) return known;
    // -- reason: the body our own webhook step writes; a stranger's makes `undefined`, which no run matches
    const { run_id: runId, node_id: nodeId } = JSON.parse(body) as {
      readonly run_id: string;
      readonly node_id: string;
    };
    const entry = {
      runId,
      nodeId,
      deliveries: 0,
      effects: 0,
      duplicates: 0,
      bodies: new Set<string>(),
      faults: faultsOf(seed, key),
    };
    entries.set(key, entry);
    return entry;
  };

  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await textOf(request);
    const key = request.headers['idempotency-key']?.toString();
    if (key === undefined) {
      complaints.push('a webhook came without an Idempotency-Key');
      response.writeHead(400).end();
      return;
    }
    const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
    if (request.headers['x-chain-signature'] !== signature) complaints.push(`${key} came with a wrong signature`);
    const entry = entryOf(key, body);
    entry.deliveries += 1;
    entry.bodies.add(createHash('sha256').update(body).digest('hex'));
    const fault = entry.faults.shift();
    if (fault !== undefined) refused += 1;
    if (entry.effects > 0) {
      entry.duplicates += 1;
    } else if (fault === undefined || fault === 'dropAfterEffect') {
      entry.effects = 1;
      onEffect();
    }
    answer(response, fault);
  };

  const server = createServer((request, response) => {
    receive(request, response).catch(() => request.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
  // -- reason: a server that listens on a port has an AddressInfo
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    url: `http://${host}/hook`,
    received: () => entries,
    refused: () => refused,
    complaints,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function faultsOf(seed: number, key: string): Fault[] {
  // the key holds ids of this very run of the harness, so the kind of fault follows the seed, its place does not
  const random = randomOf(seed, `sink/${key}`);
  const count = random.chance(0.5) ? 0 : random.between(1, 4);
  return [...random.shuffled<Fault>(['error', 'busy', 'drop', 'dropAfterEffect'])].slice(0, count);
}

function answer(response: ServerResponse, fault: Fault | undefined): void {
  switch (fault) {
    case undefined:
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}');
      return;
    case 'error':
      response.writeHead(500).end('on fire');
      return;
    case 'busy':
      response.writeHead(429, { 'retry-after': '1' }).end();
      return;
    case 'drop':
    case 'dropAfterEffect':
      response.destroy();
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer); // -- reason: no encoding is set
  return Buffer.concat(chunks).toString('utf8');
}
