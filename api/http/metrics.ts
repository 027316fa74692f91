import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { registry } from '../../db/telemetry/metrics.js';
import { unauthenticated } from './errors.js';
import { route, type Route } from './route.js';

export interface MetricsDeps {
  /** Any of them opens the row; without one nobody may. */
  readonly tokens: readonly string[];
  /** Brings figures that the database keeps up to date. */
  readonly refresh: () => Promise<void>;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Figures say how much is done here, so a scraper shows a token. */
export const metricsRoutes = ({ tokens, refresh }: MetricsDeps): readonly Route[] => [
  route({
    id: 'system.metrics',
    method: 'GET',
    path: '/metrics',
    summary: "This process's figures for Prometheus; with METRICS_TOKEN (or ADMIN_TOKEN) as bearer token",
    tag: 'system',
    auth: 'none',
    rate: 'public',
    errors: { 401: 'no token, or another one' },
    produces: registry.contentType,
    reply: z.string(),
    handle: async ({ headers }) => {
      const given = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1] ?? '';
      if (!tokens.some((token) => timingSafeEqual(digest(token), digest(given))))
        throw unauthenticated('Send METRICS_TOKEN as `Authorization: Bearer <token>`.');
      await refresh();
      return registry.metrics();
    },
  }),
];
