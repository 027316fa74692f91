import type { Answer, TemporalGateway } from '../../api/temporal/gateway.js';

const closed = (): Promise<Answer<never>> => Promise.resolve({ outcome: 'closed', message: 'no such workflow' });

/** Temporal as the API sees it while no worker runs: everything is accepted, nothing moves. For tests of the API alone. */
export const silentTemporal = (): TemporalGateway => ({
  startRun: () => Promise.resolve(),
  takePlace: () => Promise.resolve(true),
  startDelivery: () => Promise.resolve(),
  resolveWait: closed,
  takeTurn: closed,
  retryNode: closed,
  pauseRun: closed,
  moveVersion: closed,
  signalEvent: () => Promise.resolve(false),
  cancelRun: () => Promise.resolve(false),
  terminateRun: () => Promise.resolve(false),
  tellParent: () => Promise.resolve(false),
  statusOfRun: () => Promise.resolve('unknown'),
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
