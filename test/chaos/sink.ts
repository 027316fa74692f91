import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answer, faultsOf, leavesNoEffect, questionFaultsOf, type Fault } from './faults.js';
import { randomOf } from './random.js';

/** What the receiver knows of one idempotency key. */
export interface Received {
  readonly runId: string;
  /** Requests with this key that came whole. */
  readonly deliveries: number;
  /** How often it took effect. */
  readonly effects: number;
  /** Deliveries after that, which the key kept from taking effect again. */
  readonly duplicates: number;
  readonly bodies: ReadonlySet<string>;
  /** Its place among all effects, by its first; null when it took none. */
  readonly at: number | null;
}

/**
 * `hook` takes signed webhooks and honours keys; `keyed` honours keys; `naive` does whatever it is asked to as often as
 * it is asked, so that only the caller's care keeps an effect single. `seen` tells whether a key took effect.
 */
export interface Sink {
  readonly url: (door: 'hook' | 'keyed' | 'naive' | 'seen') => string;
  /** What the platform must be allowed to reach. */
  readonly host: string;
  readonly received: () => ReadonlyMap<string, Received>;
  readonly tookEffect: (key: string) => boolean;
  readonly refused: () => number;
  readonly asked: () => number;
  /** What a receiver that looks closely would complain of. */
  readonly complaints: readonly string[];
  readonly close: () => Promise<void>;
}

export interface SinkOptions {
  readonly seed: number;
  readonly port: number;
  readonly secret: string;
  readonly onEffect: (runId: string) => void;
}

interface Entry {
  readonly runId: string;
  deliveries: number;
  effects: number;
  duplicates: number;
  readonly bodies: Set<string>;
  at: number | null;
  readonly faults: Fault[];
}

/** What it remembers. */
interface Book {
  readonly options: SinkOptions;
  readonly entries: Map<string, Entry>;
  readonly questions: Map<string, Fault[]>;
  readonly complaints: string[];
  effects: number;
  refused: number;
  asked: number;
}

/** A receiver on a bad day. */
export async function startSink(options: SinkOptions): Promise<Sink> {
  const counts = { effects: 0, refused: 0, asked: 0 };
  const book: Book = { options, entries: new Map(), questions: new Map(), complaints: [], ...counts };
  const server = createServer((request, response) => {
    receive(book, request, response).catch(() => request.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port, '127.0.0.1', resolve);
  });
  // -- reason: a server that listens on a port has an AddressInfo
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    url: (door) => `http://${host}/${door}`,
    received: () => book.entries,
    tookEffect: (key) => (book.entries.get(key)?.effects ?? 0) > 0,
    refused: () => book.refused,
    asked: () => book.asked,
    complaints: book.complaints,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function receive(book: Book, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://sink');
  const body = await textOf(request);
  if (pathname === '/seen') return tell(book, searchParams.get('key') ?? '', response);
  const key = request.headers['idempotency-key']?.toString();
  if (key === undefined) {
    book.complaints.push(`a request to ${pathname} came without an Idempotency-Key`);
    response.writeHead(400).end();
    return;
  }
  if (pathname === '/hook') checkSignature(book, key, { body, given: request.headers['x-chain-signature'] });
  take(book, { key, body, door: pathname.slice(1) }, response);
}

function checkSignature(
  { options, complaints }: Book,
  key: string,
  { body, given }: { readonly body: string; readonly given: unknown },
): void {
  const signature = `sha256=${createHmac('sha256', options.secret).update(body).digest('hex')}`;
  if (given !== signature) complaints.push(`${key} came with a wrong signature`);
}

function take(
  book: Book,
  { key, body, door }: { readonly key: string; readonly body: string; readonly door: string },
  response: ServerResponse,
): void {
  const entry = entryOf(book, key, door);
  entry.deliveries += 1;
  entry.bodies.add(createHash('sha256').update(body).digest('hex'));
  const fault = entry.faults.shift();
  if (fault !== undefined) book.refused += 1;
  // -- reason: the bodies the harness's own steps write
  const isRefused = (JSON.parse(body) as { readonly refuse?: boolean }).refuse === true;
  if (isRefused && (fault === undefined || !leavesNoEffect(fault))) {
    answer(response, undefined, { status: 422, body: { ok: false } });
    return;
  }
  if (door !== 'naive' && entry.effects > 0) entry.duplicates += 1;
  else if (!leavesNoEffect(fault)) makeEffect(book, entry);
  answer(response, fault, { status: 200, body: { ok: true } });
}

function makeEffect(book: Book, entry: Entry): void {
  entry.effects += 1;
  book.effects += 1;
  entry.at ??= book.effects;
  book.options.onEffect(entry.runId);
}

function entryOf({ options: { seed }, entries }: Book, key: string, door: string): Entry {
  const known = entries.get(key);
  if (known !== undefined) return known;
  const [runId = ''] = key.split('/');
  // the key holds ids of this very run of the harness, so the kind of fault follows the seed, its place does not
  const faults = faultsOf(randomOf(seed, `sink/${key}`), door !== 'hook');
  const entry = { runId, deliveries: 0, effects: 0, duplicates: 0, bodies: new Set<string>(), at: null, faults };
  entries.set(key, entry);
  return entry;
}

function tell(book: Book, key: string, response: ServerResponse): void {
  const faults = book.questions.get(key) ?? questionFaultsOf(book.options.seed, key);
  book.questions.set(key, faults);
  book.asked += 1;
  const done = (book.entries.get(key)?.effects ?? 0) > 0;
  answer(response, faults.shift(), { status: 200, body: { done } });
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer); // -- reason: no encoding is set
  return Buffer.concat(chunks).toString('utf8');
}
