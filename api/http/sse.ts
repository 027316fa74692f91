import { once, setMaxListeners } from 'node:events';
import { PassThrough } from 'node:stream';
import type { Context } from 'koa';
import { ApiError } from './errors.js';
import { describeError, type Log } from './log.js';
import { createOpenCount, type OpenCount } from './open-count.js';
import type { EventStream, Framing, StreamMessage } from './route.js';

export interface StreamSettings {
  /** Raised when the API stops: every stream then ends. */
  readonly stopping: AbortSignal;
  /** A comment this often keeps proxies from cutting a quiet stream; default 15 s. */
  readonly heartbeatMs?: number;
  /** Streams and sockets one caller may have open at this process; default 1,000. */
  readonly mostOfOne?: number;
  /** Where they are counted; default: by themselves. */
  readonly open?: OpenCount;
}

export interface StreamCaller {
  /** Whose streams are counted together. */
  readonly owner: string;
  /** Throws when the caller may not read on: a sign-in that ended, a membership that is gone. */
  readonly recheck: () => Promise<void>;
}

export type StreamSender = (ctx: Context, stream: EventStream<unknown>, caller: StreamCaller) => void;

const HEARTBEAT_MS = 15_000;
/** Heartbeats between two questions whether the caller still may, and until one that takes nothing is cut off. */
const RECHECK_EVERY = 4;
const STALLED_AFTER = 8;

/** Sends messages as the caller takes them; a caller that leaves ends the stream, and nothing else. */
export function createStreamSender(settings: StreamSettings, log: Log): StreamSender {
  const { stopping, heartbeatMs = HEARTBEAT_MS, open = createOpenCount(settings.mostOfOne) } = settings;
  setMaxListeners(0, stopping);
  return (ctx, stream, { owner, recheck }) => {
    const leave = ctx.method === 'HEAD' ? undefined : open.enter(owner, 'stream');
    ctx.set({
      'Cache-Control': 'no-cache, no-transform',
      // nginx would hold messages back; and the socket is of no use to others, so that a shutdown need not wait for it
      'X-Accel-Buffering': 'no',
      Connection: stream.framing.opening === null ? 'keep-alive' : 'close',
    });
    if (leave === undefined) return;
    void send(ctx, stream, { stopping, heartbeatMs, log, recheck }).finally(leave);
  };
}

interface SendDeps {
  readonly stopping: AbortSignal;
  readonly heartbeatMs: number;
  readonly log: Log;
  readonly recheck: StreamCaller['recheck'];
}

async function send(ctx: Context, stream: EventStream<unknown>, deps: SendDeps): Promise<void> {
  const body = new PassThrough();
  ctx.body = body;
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  deps.stopping.addEventListener('abort', leave);
  ctx.res.once('close', leave);
  if (deps.stopping.aborted || ctx.res.destroyed) leave();
  const beating = beat(body, { framing: stream.framing, ...deps, leave, cut: () => ctx.res.destroy() });
  try {
    await pump(stream, body, { signal: gone.signal, onMessage: beating.spoke });
  } catch (error) {
    if (!gone.signal.aborted) {
      deps.log.warn({ err: describeError(error) }, 'a stream broke off');
      // not ended: the caller is to see that this was not all
      ctx.res.destroy();
    }
  } finally {
    beating.stop();
    deps.stopping.removeEventListener('abort', leave);
    leave();
    body.end();
  }
}

interface Pumping {
  readonly signal: AbortSignal;
  readonly onMessage: () => void;
}

async function pump(stream: EventStream<unknown>, body: PassThrough, { signal, onMessage }: Pumping): Promise<void> {
  if (stream.framing.opening !== null) body.write(': open\n\n');
  for await (const message of stream.messages(signal)) {
    if (signal.aborted) return;
    onMessage();
    if (!body.write(messageText(message))) await once(body, 'drain', { signal });
  }
}

interface Beating extends SendDeps {
  readonly framing: Framing;
  readonly leave: () => void;
  readonly cut: () => void;
}

interface Beat {
  /** Something was sent: the stream is not quiet. */
  readonly spoke: () => void;
  readonly stop: () => void;
}

function beat(body: PassThrough, { heartbeatMs, recheck, leave, cut, framing: { heartbeat } }: Beating): Beat {
  let count = 0;
  let stalled = 0;
  const timer = setInterval(() => {
    if (body.destroyed) return;
    count += 1;
    stalled = body.writableNeedDrain ? stalled + 1 : 0;
    if (stalled >= STALLED_AFTER) cut();
    if (stalled === 0 && heartbeat === undefined) body.write(': still here\n\n');
    if (count % RECHECK_EVERY !== 0) return;
    recheck().catch((error: unknown) => {
      if (error instanceof ApiError && error.status < 500 && error.status !== 429) leave();
    });
  }, heartbeatMs);
  timer.unref();
  const quiet = heartbeat === undefined ? undefined : beatWhenQuiet(body, heartbeat, heartbeatMs);
  return {
    spoke: () => void quiet?.refresh(),
    stop: () => {
      clearInterval(timer);
      clearInterval(quiet);
    },
  };
}

function beatWhenQuiet(body: PassThrough, heartbeat: () => string, heartbeatMs: number): NodeJS.Timeout {
  const timer = setInterval(() => {
    if (!body.destroyed && !body.writableNeedDrain) body.write(`: ${heartbeat()}\n\n`);
  }, heartbeatMs);
  return timer.unref();
}

/** JSON holds no line break, so each message has one data line. */
function messageText({ id, event, data }: StreamMessage<unknown>): string {
  const lines = [
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(event === undefined ? [] : [`event: ${event}`]),
    ...(data === undefined ? [] : [`data: ${jsonText(data)}`]),
  ];
  return `${lines.join('\n')}\n\n`;
}

const texts = new WeakMap<object, string>();

/** What goes to many callers is written out once. */
export function jsonText(data: unknown): string {
  if (typeof data !== 'object' || data === null) return JSON.stringify(data);
  const known = texts.get(data);
  if (known !== undefined) return known;
  const text = JSON.stringify(data);
  texts.set(data, text);
  return text;
}
