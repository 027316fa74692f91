import { z } from 'zod';
import { docsPage, redocPage } from './docs.js';
import { openApiDocument } from './openapi.js';
import { Reply, route, type Route } from './route.js';

/** A check of something the API needs; it throws when that does not answer. */
export type Probe = () => Promise<unknown>;

export interface SystemDeps {
  readonly version: string;
  /** By name, as `/health/ready` shows them. */
  readonly probes: Readonly<Record<string, Probe>>;
  readonly probeTimeoutMs?: number;
}

const html = 'text/html; charset=utf-8';
const Health = z.object({ status: z.string(), version: z.string() });
const Ready = z.object({ status: z.string(), checks: z.record(z.string(), z.string()) });

/** The rows every installation has: pointers, health and the API's own description. */
export function systemRoutes(deps: SystemDeps): readonly Route[] {
  return [...pointerRoutes(deps), ...healthRoutes(deps), ...docsRoutes()];
}

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

const pointerRoutes = ({ version }: SystemDeps): readonly Route[] => [
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

function healthRoutes({ version, probes, probeTimeoutMs = 2_000 }: SystemDeps): readonly Route[] {
  const alive = { tag: 'system', auth: 'none', rate: 'local', method: 'GET' } as const;
  return [
    route({
      ...alive,
      id: 'system.health',
      path: '/health',
      aliases: ['/healthz'],
      summary: 'The process is up',
      reply: Health,
      handle: () => Promise.resolve({ status: 'healthy', version }),
    }),
    route({
      ...alive,
      id: 'system.ready',
      path: '/health/ready',
      summary: 'The process and what it needs are up',
      errors: { 503: 'Something it needs does not answer; `checks` names it.' },
      reply: Ready,
      handle: async () => {
        const checks = await runProbes(probes, probeTimeoutMs);
        const isReady = Object.values(checks).every((result) => result === 'ok');
        return new Reply({ status: isReady ? 'ready' : 'not_ready', checks }, { status: isReady ? 200 : 503 });
      },
    }),
  ];
}

async function runProbes(probes: SystemDeps['probes'], timeoutMs: number): Promise<Record<string, string>> {
  const results = Object.entries(probes).map(async ([name, probe]) => {
    const result = await inTime(probe, timeoutMs).then(
      () => 'ok',
      () => 'unreachable',
    );
    return [name, result] as const;
  });
  return Object.fromEntries(await Promise.all(results));
}

async function inTime(probe: Probe, timeoutMs: number): Promise<void> {
  const { promise, reject } = deferred();
  const timer = setTimeout(() => reject(new Error('no answer in time')), timeoutMs);
  try {
    await Promise.race([probe(), promise]);
  } finally {
    clearTimeout(timer);
  }
}

function deferred(): { readonly promise: Promise<never>; readonly reject: (error: Error) => void } {
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<never>((_, fail) => {
    reject = fail;
  });
  return { promise, reject };
}

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
