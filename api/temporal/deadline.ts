import type { ConnectionLike } from '@temporalio/client';

/** The client repeats what the server is too busy for; beyond the deadline it is told to stop. */
const MARGIN_MS = 1_000;

/** A call that ends in so many milliseconds, one way or the other. */
export const within = <T>(connection: ConnectionLike, ms: number, call: () => Promise<T>): Promise<T> =>
  connection.withDeadline(Date.now() + ms, () => connection.withAbortSignal(AbortSignal.timeout(ms + MARGIN_MS), call));
