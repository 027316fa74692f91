import { z } from 'zod';
import { runProbes, type Probe } from './probes.js';
import { Reply, route, type Route } from './route.js';
import { Time } from './schemas.js';

export interface HealthDeps {
  readonly version: string;
  /** By name, as `/health/ready` shows them. */
  readonly probes: Readonly<Record<string, Probe>>;
  /** Of where large values are kept; absent: nowhere. */
  readonly storage?: Probe;
  readonly probeTimeoutMs?: number;
}

const Health = z
  .object({ status: z.string(), timestamp: Time, version: z.string(), uptime: z.number() })
  .meta({ id: 'HealthResponse' });
const Checks = z.record(z.string(), z.string());

const alive = { tag: 'system', auth: 'none', rate: 'local', method: 'GET' } as const;
const down = { 503: 'Something it needs does not answer; `checks` names it.' };

/** The Service and the Agent Studio surface ask under paths of their own; each gets its words. */
export function healthRoutes(deps: HealthDeps): readonly Route[] {
  const now = (status: string): z.input<typeof Health> => ({
    status,
    timestamp: new Date(),
    version: deps.version,
    // whole milliseconds, in seconds
    uptime: Math.round(process.uptime() * 1_000) / 1_000,
  });
  return [...plainRoutes(now, deps), ...checkedRoutes(now, deps)];
}

type Now = (status: string) => z.input<typeof Health>;

const plainRoutes = (now: Now, { storage, probeTimeoutMs = 2_000 }: HealthDeps): readonly Route[] => [
  route({
    ...alive,
    id: 'system.health',
    path: '/health',
    aliases: ['/healthz'],
    summary: 'The process is up',
    reply: Health,
    handle: () => Promise.resolve(now('healthy')),
  }),
  route({
    ...alive,
    id: 'system.live',
    path: '/api/v1/health/live',
    summary: 'The process is up',
    reply: Health,
    handle: () => Promise.resolve(now('alive')),
  }),
  route({
    ...alive,
    id: 'system.storage',
    path: '/health/storage',
    summary: 'Where large values are kept: ok, unconfigured or error',
    reply: Health,
    handle: async () => {
      if (storage === undefined) return now('unconfigured');
      const { storage: result } = await runProbes({ storage }, probeTimeoutMs);
      return now(result === 'ok' ? 'ok' : 'error');
    },
  }),
];

const checkedRoutes = (now: Now, { probes, probeTimeoutMs = 2_000 }: HealthDeps): readonly Route[] => [
  route({
    ...alive,
    id: 'system.ready',
    path: '/health/ready',
    aliases: ['/api/v1/health/ready'],
    summary: 'The process and what it needs are up',
    errors: down,
    reply: Health.extend({ database: z.string(), checks: Checks }).meta({ id: 'ReadyResponse' }),
    handle: async () => {
      const checks = await runProbes(probes, probeTimeoutMs);
      const isReady = Object.values(checks).every((result) => result === 'ok');
      const body = { ...now(isReady ? 'ready' : 'not_ready'), database: checks['database'] ?? 'not_used', checks };
      return new Reply(body, { status: isReady ? 200 : 503 });
    },
  }),
  route({
    ...alive,
    id: 'system.checks',
    path: '/api/v1/health',
    summary: 'healthy; degraded: it answers and keeps what it accepts, but runs stand still; unhealthy',
    errors: down,
    reply: Health.extend({ checks: Checks }).meta({ id: 'CheckedHealth' }),
    handle: async () => {
      const found = await runProbes(probes, probeTimeoutMs);
      const checks = { database: 'not_used', redis: 'not_used', ...found };
      const isUp = Object.values(found).every((result) => result === 'ok');
      const works = isUp || found['database'] === 'ok';
      const status = isUp ? 'healthy' : works ? 'degraded' : 'unhealthy';
      return new Reply({ ...now(status), checks }, { status: works ? 200 : 503 });
    },
  }),
];
