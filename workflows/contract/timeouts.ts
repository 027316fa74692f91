/** How patient the engine is with its own activities. Retries have no end: a lost database is waited for. */
export const records = {
  startToCloseTimeout: '30 seconds',
  heartbeatTimeout: '5 seconds',
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '5 seconds' },
} as const;

/** Of a segment; how often the node itself is tried is its policy's business, counted in its step row. */
export const segment = {
  heartbeatTimeout: '10 seconds',
  /** A cancelled run ends when its calls have: what they did is then on record. */
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '10 seconds' },
} as const;

/** Added to a segment's own timeouts: the time its records may take. */
export const SEGMENT_MARGIN_MS = 30_000;
