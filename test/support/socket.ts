import { WebSocket } from 'ws';

export type Frame = Readonly<Record<string, unknown>> & { readonly type: string };

export interface TestSocket {
  /** The next frame; undefined when the socket is over. */
  readonly next: () => Promise<Frame | undefined>;
  /** All that come until one fits, that one included, or the socket is over. */
  readonly until: (fits: (frame: Frame) => boolean) => Promise<readonly Frame[]>;
  /** An object is sent as JSON, a string or bytes as they are. */
  readonly send: (frame: object | string | Buffer) => void;
  /** The id of the last event that came. */
  readonly lastId: () => string | undefined;
  /** Stops reading from the connection, and takes it up again. */
  readonly pause: () => void;
  readonly resume: () => void;
  readonly close: () => void;
  /** Cuts the connection, without a word. */
  readonly cut: () => void;
  readonly over: Promise<{ readonly code: number; readonly reason: string }>;
}

/** A WebSocket as a client sees it; `opened` is awaited, so that a refused handshake throws. */
export async function openSocket(
  url: string,
  { headers = {} }: { readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<TestSocket> {
  const ws = new WebSocket(url.replace(/^http/, 'ws'), { headers, perMessageDeflate: false });
  const frames: Frame[] = [];
  let waiting: ((frame: Frame | undefined) => void) | undefined;
  let isOver = false;
  let lastId: string | undefined;
  const hand = (): void => {
    if (waiting === undefined || (frames.length === 0 && !isOver)) return;
    const give = waiting;
    waiting = undefined;
    give(frames.shift());
  };
  ws.on('message', (data: Buffer) => {
    // -- reason: the sockets of this API carry JSON objects with a type
    const frame = JSON.parse(data.toString()) as Frame;
    if (typeof frame['id'] === 'string') lastId = frame['id'];
    frames.push(frame);
    hand();
  });
  const over = new Promise<{ readonly code: number; readonly reason: string }>((resolve) => {
    ws.once('close', (code, reason) => {
      isOver = true;
      hand();
      resolve({ code, reason: reason.toString() });
    });
  });
  await new Promise<void>((resolve, reject) => {
    ws.once('open', resolve);
    ws.once('error', reject);
  });
  ws.on('error', () => undefined);
  const next = (): Promise<Frame | undefined> =>
    new Promise((resolve) => {
      waiting = resolve;
      hand();
    });
  return {
    next,
    until: async (fits) => {
      const seen: Frame[] = [];
      for (let frame = await next(); frame !== undefined; frame = await next()) {
        seen.push(frame);
        if (fits(frame)) break;
      }
      return seen;
    },
    send: (frame) => ws.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame)),
    lastId: () => lastId,
    pause: () => ws.pause(),
    resume: () => ws.resume(),
    close: () => ws.close(),
    cut: () => ws.terminate(),
    over,
  };
}
