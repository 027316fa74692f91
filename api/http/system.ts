import { z } from 'zod';
import { docsPage, redocPage } from './docs.js';
import { openApiDocument } from './openapi.js';
import { healthRoutes, type HealthDeps } from './health.js';
import { metricsRoutes, type MetricsDeps } from './metrics.js';
import { route, type Route } from './route.js';

const html = 'text/html; charset=utf-8';

export interface SystemDeps extends HealthDeps {
  /** Absent: nobody sees figures. */
  readonly metrics?: MetricsDeps;
}

/** The rows every installation has: pointers, health, figures and the API's own description. */
export function systemRoutes(deps: SystemDeps): readonly Route[] {
  return [...pointerRoutes(deps), ...healthRoutes(deps), ...metricsRoutes(deps.metrics ?? noMetrics), ...docsRoutes()];
}

const noMetrics: MetricsDeps = { tokens: [], refresh: () => Promise.resolve() };

/** Adds the two documents, which describe all rows, themselves included. */
export function withDocuments(routes: readonly Route[], version: string): readonly Route[] {
  const rows: Route[] = [...routes];
  const texts = new Map<string, string>();
  const document = (openapi: '3.0.3' | '3.1.0'): string => {
    const text = texts.get(openapi) ?? JSON.stringify(openApiDocument(rows, { openapi, version }));
    texts.set(openapi, text);
    return text;
  };
  rows.push(
    page(
      { id: 'docs.openapi', path: '/openapi.json', summary: 'This API as OpenAPI 3.0', produces: 'application/json' },
      () => document('3.0.3'),
    ),
    page(
      {
        id: 'docs.openapi31',
        path: '/openapi-3.1.json',
        summary: 'This API as OpenAPI 3.1',
        produces: 'application/json',
      },
      () => document('3.1.0'),
    ),
  );
  return rows;
}

const pointerRoutes = ({ version }: HealthDeps): readonly Route[] => [
  route({
    id: 'system.root',
    method: 'GET',
    path: '/',
    summary: 'Where things are',
    tag: 'system',
    auth: 'none',
    rate: 'local',
    reply: z.record(z.string(), z.string()),
    handle: () =>
      Promise.resolve({
        name: 'Keelson',
        service: 'keelson',
        version,
        description: 'Durable workflows for conversations, calls and agents.',
        docs: '/docs',
        redoc: '/redoc',
        openapi: '/openapi.json',
        health: '/health',
      }),
  }),
];

const docsRoutes = (): readonly Route[] => [
  page({ id: 'docs.swagger', path: '/docs', summary: 'This API in Swagger UI', produces: html }, () => docsPage),
  page({ id: 'docs.redoc', path: '/redoc', summary: 'This API in ReDoc', produces: html }, () => redocPage),
];

interface PageSpec {
  readonly id: string;
  readonly path: string;
  readonly summary: string;
  readonly produces: string;
}

const page = (spec: PageSpec, text: () => string): Route =>
  route({
    ...spec,
    method: 'GET',
    tag: 'docs',
    auth: 'none',
    rate: 'local',
    reply: z.string(),
    handle: () => Promise.resolve(text()),
  });
