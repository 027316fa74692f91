import type { ActivityInterceptorsFactory } from '@temporalio/worker';

/** Well within the shortest `heartbeatTimeout` in `workflows/contract/timeouts.ts`. */
const HEARTBEAT_MS = 1_000;

/** Every activity says that it is alive while it works: one whose worker was killed is missed within its heartbeat timeout. */
export const heartbeats: ActivityInterceptorsFactory = (context) => ({
  inbound: {
    execute: async (input, next) => {
      const timer = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
      try {
        return await next(input);
      } finally {
        clearInterval(timer);
      }
    },
  },
});
