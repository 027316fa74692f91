import type { LogPosition, PlacedEvent } from '../../db/run-events.js';
import { closings, type Socket } from '../http/sockets.js';
import { createQuiet, type LogReader } from './streams.js';
import { positionText, type Topics } from './stream-topics.js';

/** What one socket follows: several topics, at one place in the log. */
export interface SocketFollow {
  readonly place: () => LogPosition;
  /** Goes on from its place with these topics instead; answers once nothing more of the old ones comes. */
  readonly stop: () => Promise<void>;
  readonly go: (topics: Topics, from: LogPosition) => void;
}

export interface SocketFollowing {
  readonly socket: Socket;
  readonly log: LogReader;
  /** The frame of an event; undefined for what this socket is not told. */
  readonly frameOf: (event: PlacedEvent) => string | undefined;
  /** Says where the log is after a while in which nothing was said. */
  readonly positionFrame?: (position: string) => string;
  readonly onSent?: (event: PlacedEvent) => void;
}

/** A client that takes nothing more is not read for; one that does not take it for long is closed by `room`. */
export function createSocketFollow(following: SocketFollowing): SocketFollow {
  let place: LogPosition = { xid: '0', id: '0' };
  let running: { readonly stop: AbortController; readonly over: Promise<void> } | undefined;
  const { socket } = following;
  const follow = async (topics: Topics, signal: AbortSignal): Promise<void> => {
    const quiet = createQuiet();
    const { workspaceId } = socket.actor;
    for await (const page of following.log.pages(workspaceId, { topics, after: place }, signal)) {
      for (const event of page.events) {
        const frame = following.frameOf(event);
        if (frame !== undefined) socket.send(frame);
        place = event.position;
        following.onSent?.(event);
        await socket.room();
        if (signal.aborted) return;
      }
      place = page.next;
      const frame = quiet.lasts(page.events.length > 0) ? following.positionFrame?.(positionText(place)) : undefined;
      if (frame !== undefined) socket.send(frame);
    }
  };
  return {
    place: () => place,
    stop: async () => {
      running?.stop.abort();
      await running?.over;
      running = undefined;
    },
    go: (topics, from) => {
      place = from;
      const stop = new AbortController();
      const signal = AbortSignal.any([stop.signal, socket.signal]);
      const over = follow(topics, signal).catch(() => {
        if (!signal.aborted) socket.close(closings.unavailable);
      });
      running = { stop, over };
    },
  };
}

/** What goes to many sockets is written out once; `key` says what of it differs between them. */
export function createFrames<T extends string | undefined>(write: (event: PlacedEvent, key: string) => T) {
  const made = new WeakMap<PlacedEvent, Map<string, T>>();
  return (event: PlacedEvent, key: string): T => {
    const ofEvent = made.get(event) ?? new Map<string, T>();
    made.set(event, ofEvent);
    const known = ofEvent.get(key);
    if (known !== undefined) return known;
    const frame = write(event, key);
    ofEvent.set(key, frame);
    return frame;
  };
}
