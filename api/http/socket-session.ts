import { setMaxListeners } from 'node:events';
import type { WebSocket } from 'ws';
import type { Actor } from '../actor.js';
import type { Services } from '../services/index.js';
import { ApiError, codeOfStatus, invalid } from './errors.js';
import { describeError, type Log } from './log.js';
import type { Route } from './route.js';
import { findUnsafe } from './safe-json.js';
import { inScope, scopeOf } from './scope.js';
import { closingOf, closings, type Closing, type FrameListener, type Socket, type SocketSpec } from './sockets.js';
import { validate } from './validate.js';

export interface SessionSettings {
  /** The server asks whether the client is still there this often; default 25 s. */
  readonly heartbeatMs: number;
  /** How often it is asked whether the caller still may; default a minute. */
  readonly recheckMs: number;
  /** How long a client may take nothing of what was sent to it; default 10 s. */
  readonly patienceMs: number;
  /** Frames a client may send within ten seconds; default 100. */
  readonly mostFrames: number;
}

export const defaultSession: SessionSettings = {
  heartbeatMs: 25_000,
  recheckMs: 60_000,
  patienceMs: 10_000,
  mostFrames: 100,
};

export interface SessionDeps {
  readonly row: Route;
  readonly socket: SocketSpec;
  readonly actor: Actor;
  readonly query: unknown;
  readonly services: Services;
  readonly log: Log;
  readonly settings: SessionSettings;
  /** Throws when the caller may not read on. */
  readonly recheck: () => Promise<void>;
}

export interface Ended extends Closing {
  /** Frames sent. */
  readonly sent: number;
}

/** Unsent bytes above which nothing more is made for a client. */
const HIGH_WATER = 256 * 1024;
const MOST_BAD_FRAMES = 10;
const FRAMES_WINDOW_MS = 10_000;

/** Serves an accepted socket to its end. */
export async function runSession(ws: WebSocket, deps: SessionDeps): Promise<Ended> {
  const over = new AbortController();
  setMaxListeners(0, over.signal);
  const ended = new Promise<Closing>((resolve) => {
    ws.once('close', (code, reason) => {
      over.abort();
      resolve({ code, reason: reason.toString() });
    });
  });
  // a frame that breaks the protocol is answered by ws itself with its close code
  ws.on('error', () => undefined);
  const line = createLine(ws, { signal: over.signal, patienceMs: deps.settings.patienceMs, leave: () => over.abort() });
  const stopBeating = beat(ws, line.close, deps);
  await listenToFrames(ws, { ...line, actor: deps.actor, query: deps.query, signal: over.signal }, deps);
  const closing = await ended;
  stopBeating();
  return { ...closing, sent: line.count() };
}

interface LineSettings {
  readonly signal: AbortSignal;
  readonly patienceMs: number;
  readonly leave: () => void;
}

/** What goes out: never more than the client takes. */
function createLine(ws: WebSocket, { signal, patienceMs, leave }: LineSettings) {
  let count = 0;
  const close = ({ code, reason }: Closing): void => {
    leave();
    ws.close(code, reason);
  };
  return {
    count: () => count,
    close,
    send: (frame: string): void => {
      if (signal.aborted || ws.readyState !== ws.OPEN) return;
      count += 1;
      ws.send(frame);
    },
    room: async (): Promise<void> => {
      if (ws.bufferedAmount <= HIGH_WATER || signal.aborted) return;
      if (!(await isTaken(ws, signal, patienceMs))) close(closings.tooSlow);
    },
  };
}

/** Looks in short steps: ws tells of each frame that was written, not of room. */
const LOOK_MS = 20;

function isTaken(ws: WebSocket, signal: AbortSignal, patienceMs: number): Promise<boolean> {
  let least = ws.bufferedAmount;
  let since = performance.now();
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const left = ws.bufferedAmount;
      if (left < least) since = performance.now();
      least = Math.min(least, left);
      const isLate = performance.now() - since > patienceMs;
      if (left > HIGH_WATER / 2 && !isLate && !signal.aborted) return;
      clearInterval(timer);
      resolve(left <= HIGH_WATER / 2 || signal.aborted);
    }, LOOK_MS);
  });
}

/** Sees whether the client is still there, and whether it still may be. */
function beat(ws: WebSocket, close: Socket['close'], { settings, recheck }: SessionDeps): () => void {
  let isThere = true;
  const here = (): void => {
    isThere = true;
  };
  ws.on('pong', here);
  ws.on('message', here);
  const pings = setInterval(() => {
    if (!isThere) return ws.terminate();
    isThere = false;
    ws.ping();
  }, settings.heartbeatMs);
  const rechecks = setInterval(() => {
    recheck().catch((error: unknown) => {
      if (error instanceof ApiError && error.status < 500 && error.status !== 429) close(closingOf(error));
    });
  }, settings.recheckMs);
  pings.unref();
  rechecks.unref();
  return () => {
    clearInterval(pings);
    clearInterval(rechecks);
  };
}

/** One frame after the other: the next is not looked at before the last has been answered. */
async function listenToFrames(ws: WebSocket, socket: Socket, deps: SessionDeps): Promise<void> {
  const refusals = createRefusals(socket, deps.settings);
  const scope = scopeOf(deps.row.auth, deps.actor);
  let listener: FrameListener | undefined;
  let work = inScope(scope, () => deps.socket.open(socket, deps.services))
    .then((made) => void (listener = made))
    .catch((error: unknown) => fail(socket, deps, error));
  ws.on('message', (data: Buffer, isBinary: boolean) => {
    if (socket.signal.aborted || !refusals.mayGoOn()) return;
    // a chunk may hold many frames: those that came are worked off, and no further ones are read meanwhile
    ws.pause();
    work = work
      .then(async () => {
        const frame = readFrame(deps.socket, data, isBinary);
        // a frame comes in the context of the connection, which knows no scope
        if (!socket.signal.aborted) await inScope(scope, () => listener?.(frame));
      })
      .catch((error: unknown) => {
        if (!refusals.answer(error)) fail(socket, deps, error);
      })
      .finally(() => ws.resume());
  });
  await work;
}

function readFrame({ sent }: SocketSpec, data: Buffer, isBinary: boolean): unknown {
  const refuse = (message: string): ApiError => invalid([{ field: 'frame', loc: ['frame'], message }]);
  if (isBinary) throw refuse('must be text');
  let frame: unknown;
  try {
    frame = JSON.parse(data.toString());
  } catch {
    throw refuse('must be JSON');
  }
  const unsafe = findUnsafe(frame);
  if (unsafe !== undefined) throw invalid([unsafe]);
  return validate(sent, frame, { place: 'body', status: 422 });
}

/** Answers what is wrong, for as long as it is not too much. */
function createRefusals(socket: Socket, { mostFrames }: SessionSettings) {
  let bad = 0;
  let frames = 0;
  let since = performance.now();
  return {
    mayGoOn: (): boolean => {
      if (performance.now() - since > FRAMES_WINDOW_MS) [frames, since] = [0, performance.now()];
      frames += 1;
      if (frames > mostFrames) socket.close(closings.tooFast);
      return frames <= mostFrames;
    },
    answer: (error: unknown): boolean => {
      if (!(error instanceof ApiError) || error.status >= 500) return false;
      socket.send(errorFrame(error));
      if (error.status === 422) bad += 1;
      if (bad > MOST_BAD_FRAMES) socket.close(closings.badFrames);
      return true;
    },
  };
}

const errorFrame = ({ status, message, details }: ApiError): string =>
  JSON.stringify({
    type: 'error',
    timestamp: new Date().toISOString(),
    code: codeOfStatus[status],
    message,
    data: {
      code: codeOfStatus[status],
      message,
      details: details.map((each) => ({ field: each.field, message: each.message })),
    },
  });

function fail(socket: Socket, { log }: SessionDeps, error: unknown): void {
  if (socket.signal.aborted) return;
  if (!(error instanceof ApiError)) log.error({ err: describeError(error) }, 'a socket broke off');
  socket.close(closingOf(error));
}
