import type { TemporalGateway } from '../../api/temporal/gateway.js';

/** Temporal as the API sees it while no worker runs: everything is accepted, nothing moves. For tests of the API alone. */
export const silentTemporal = (): TemporalGateway => ({
  startRun: () => Promise.resolve(),
  resolveWait: () => Promise.resolve({ outcome: 'closed' }),
  describeRun: () => Promise.resolve(null),
  pollers: () => Promise.resolve(0),
  waitsInRun: () => Promise.resolve([]),
  ping: () => Promise.resolve(),
  schedules: {
    upsert: () => Promise.resolve({ nextRunAt: null, resyncAt: new Date(Date.now() + 86_400_000) }),
    remove: () => Promise.resolve(),
    nextRunAt: () => Promise.resolve(null),
  },
});
