import { request, type ClientRequest, type IncomingMessage } from 'node:http';

export interface Message {
  readonly id: string | undefined;
  readonly event: string | undefined;
  /** Parsed JSON; undefined in a message that has none. */
  readonly data: Readonly<Record<string, unknown>> | undefined;
}

export interface Listening {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** The next message that says something; undefined when the server has ended the stream. */
  readonly next: () => Promise<Message | undefined>;
  /** All that come until one fits, that one included, or the stream ends. */
  readonly until: (fits: (message: Message) => boolean) => Promise<readonly Message[]>;
  /** What the client would send as Last-Event-ID. */
  readonly lastId: () => string | undefined;
  /** Comments so far. */
  readonly comments: () => number;
  /** Stops reading from the socket, and takes it up again. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Cuts the socket, without a word. */
  readonly cut: () => void;
  /** Whether the server ended it in order, once it is over. */
  readonly over: Promise<'ended' | 'broken'>;
}

export interface Listen {
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly body?: string;
  /** Leaves after so many bytes, wherever that is. */
  readonly cutAfterBytes?: number;
}

/** Reads Server-Sent Events from a socket, as a browser does. */
export async function listenTo(
  url: string,
  { headers = {}, method = 'GET', body, cutAfterBytes }: Listen = {},
): Promise<Listening> {
  const outgoing = request(url, { method, headers: { accept: 'text/event-stream', ...headers }, agent: false });
  const response = await answered(outgoing, body);
  const inbox = createInbox();
  let bytes = 0;
  let over: (how: 'ended' | 'broken') => void = () => undefined;
  const finished = new Promise<'ended' | 'broken'>((resolve) => (over = resolve));
  outgoing.on('error', () => undefined);
  response.on('error', () => undefined);
  response.on('data', (chunk: Buffer) => {
    const room = cutAfterBytes === undefined ? chunk.length : Math.max(0, cutAfterBytes - bytes);
    bytes += chunk.length;
    inbox.take(chunk.subarray(0, room));
    if (cutAfterBytes !== undefined && bytes >= cutAfterBytes) outgoing.destroy();
  });
  response.on('close', () => {
    inbox.end();
    over(response.complete ? 'ended' : 'broken');
  });
  const next = (): Promise<Message | undefined> => inbox.next();
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    next,
    until: async (fits) => {
      const seen: Message[] = [];
      for (let message = await next(); message !== undefined; message = await next()) {
        seen.push(message);
        if (fits(message)) break;
      }
      return seen;
    },
    lastId: inbox.lastId,
    comments: inbox.comments,
    pause: () => response.pause(),
    resume: () => response.resume(),
    cut: () => outgoing.destroy(),
    over: finished,
  };
}

const answered = (outgoing: ClientRequest, body?: string): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
    outgoing.end(body);
  });

function createInbox() {
  const messages: Message[] = [];
  let waiting: ((message: Message | undefined) => void) | undefined;
  let rest = Buffer.alloc(0);
  let isOver = false;
  let lastId: string | undefined;
  let comments = 0;
  const read = (block: string): void => {
    const fields = new Map<string, string>();
    for (const [, name = '', value = ''] of block.matchAll(/^(\w+): ?(.*)$/gm)) fields.set(name, value);
    comments += block.match(/^:/gm)?.length ?? 0;
    const [id, event, data] = ['id', 'event', 'data'].map((name) => fields.get(name));
    lastId = id ?? lastId;
    if (event === undefined && data === undefined) return;
    // -- reason: the streams of this API carry JSON objects
    messages.push({ id, event, data: data === undefined ? undefined : (JSON.parse(data) as Message['data']) });
  };
  const hand = (): void => {
    if (waiting === undefined || (messages.length === 0 && !isOver)) return;
    waiting(messages.shift());
    waiting = undefined;
  };
  return {
    /** What is cut off in the middle of a message never was one. */
    take: (chunk: Buffer): void => {
      rest = Buffer.concat([rest, chunk]);
      for (let at = rest.indexOf('\n\n'); at >= 0; at = rest.indexOf('\n\n')) {
        read(rest.subarray(0, at).toString());
        rest = rest.subarray(at + 2);
      }
      hand();
    },
    end: (): void => {
      isOver = true;
      hand();
    },
    next: (): Promise<Message | undefined> =>
      new Promise((resolve) => {
        waiting = resolve;
        hand();
      }),
    lastId: () => lastId,
    comments: () => comments,
  };
}
