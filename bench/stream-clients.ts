import { request } from 'node:http';
import { WebSocket } from 'ws';

/** A process of its own that listens: event streams and sockets on one run and all runs of a workspace. */
export interface Listen {
  readonly apiUrl: string;
  readonly token: string;
  readonly runId: string;
  readonly streams: number;
  readonly sockets: number;
  /** Events each of them is to be told; each says in `sent_at` when it was written. */
  readonly events: number;
}

export interface Heard {
  /** From the writing of an event to its arrival, of each event at each client. */
  readonly fanOutMs: readonly number[];
  /** From the request to the first message. */
  readonly firstMs: readonly number[];
  /** Clients that were not told each event once. */
  readonly wrong: number;
}

interface Client {
  readonly ready: Promise<void>;
  readonly done: Promise<void>;
  readonly leave: () => void;
}

interface Counted {
  readonly listen: Listen;
  readonly heard: { fanOutMs: number[]; firstMs: number[]; wrong: number };
}

const now = (): number => performance.timeOrigin + performance.now();
const AT_A_TIME = 20;

/** Counts what one client is told; resolves when that is all. */
function createTally({ listen, heard }: Counted) {
  const seen = new Set<number>();
  const began = now();
  let isReady = (): void => undefined;
  let isDone = (): void => undefined;
  const ready = new Promise<void>((resolve) => (isReady = resolve));
  const done = new Promise<void>((resolve) => (isDone = resolve));
  return {
    ready,
    done,
    first: (): void => {
      heard.firstMs.push(now() - began);
      isReady();
    },
    event: ({ n, sent_at: sentAt }: { readonly n?: number; readonly sent_at?: number }): void => {
      if (n === undefined || sentAt === undefined) return;
      heard.fanOutMs.push(now() - sentAt);
      if (seen.has(n)) heard.wrong += 1;
      seen.add(n);
      if (seen.size === listen.events) isDone();
    },
  };
}

type Data = Parameters<ReturnType<typeof createTally>['event']>[0];

function stream(counted: Counted): Client {
  const { apiUrl, token, runId } = counted.listen;
  const { first, event, ...tally } = createTally(counted);
  const outgoing = request(`${apiUrl}/v1/stream?topics=runs,run:${runId}`, {
    headers: { authorization: `Bearer ${token}` },
    agent: false,
  });
  let text = '';
  outgoing.on('error', () => undefined);
  outgoing.on('response', (response) => {
    response.on('error', () => undefined);
    response.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        if (block.includes('event: ready')) first();
        const [, data] = /^data: (.*)$/m.exec(block) ?? [];
        // -- reason: streams of our own API carry objects
        if (data !== undefined) event(JSON.parse(data) as Data);
      }
    });
  });
  outgoing.end();
  return { ...tally, leave: () => outgoing.destroy() };
}

function socket(counted: Counted): Client {
  const { apiUrl, token, runId } = counted.listen;
  const { first, event, ...tally } = createTally(counted);
  const ws = new WebSocket(`${apiUrl.replace(/^http/, 'ws')}/ws/runs?token=${token}`, { perMessageDeflate: false });
  ws.on('error', () => undefined);
  ws.on('open', () => ws.send(JSON.stringify({ type: 'subscribe', topics: ['runs', `run:${runId}`] })));
  ws.on('message', (message: Buffer) => {
    // -- reason: sockets of our own API carry objects
    const { type, data } = JSON.parse(message.toString()) as { readonly type: string; readonly data?: Data };
    if (type === 'subscribed') first();
    event(data ?? {});
  });
  return { ...tally, leave: () => ws.terminate() };
}

const send = (message: object): void => void process.send?.(message);

async function listenAll(listen: Listen): Promise<void> {
  const heard = { fanOutMs: [] as number[], firstMs: [] as number[], wrong: 0 };
  const clients: Client[] = [];
  const kinds = [
    ...Array.from({ length: listen.streams }, () => stream),
    ...Array.from({ length: listen.sockets }, () => socket),
  ];
  for (let at = 0; at < kinds.length; at += AT_A_TIME) {
    const part = kinds.slice(at, at + AT_A_TIME).map((open) => open({ listen, heard }));
    clients.push(...part);
    await Promise.all(part.map(({ ready }) => ready));
  }
  send({ ready: clients.length });
  await Promise.all(clients.map(({ done }) => done));
  clients.forEach(({ leave }) => leave());
  send({ heard });
}

process.on('message', (listen: Listen) => void listenAll(listen));
process.on('disconnect', () => process.exit());
