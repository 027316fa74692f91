import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { registry } from '../../db/telemetry/metrics.js';
import { serveHealth, type HealthServer } from '../../workers/health.js';
import { silentTemporal } from '../support/silent-temporal.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';

let api: TestApi;
let person: Person;
let worker: HealthServer;

beforeAll(async () => {
  api = await startTestApi({ temporal: () => silentTemporal(), env: { METRICS_TOKEN: 'scraper-scraper-scraper' } });
  person = await api.signUp();
  worker = await serveHealth(0, () => true);
}, 60_000);
afterAll(async () => {
  await api.close();
  await worker.close();
});

const scrape = async (token?: string) => {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`${api.url}/metrics`, { headers });
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
};

test('figures are for those who hold the token', async () => {
  expect((await scrape()).status).toBe(401);
  expect((await scrape('scraper-scraper-scrapeR')).status).toBe(401);
  const { status, type, text } = await scrape('scraper-scraper-scraper');
  expect({ status, type }).toEqual({ status: 200, type: registry.contentType });
  expect(text).toMatch(/^keelson_open_runs\{status="queued"\} 0$/m);
});

test('requests are counted by their route, not by what callers put into the path', async () => {
  await person.call('GET', '/v1/runs/run_nothing');
  const { text } = await scrape('scraper-scraper-scraper');
  expect(text).toMatch(/keelson_http_request_duration_seconds_count\{route="runs.get",method="GET",status="404"\} 1/);
  expect(text).not.toContain('run_nothing');
});

test('a worker shows its own at its health port', async () => {
  const response = await fetch(`http://127.0.0.1:${worker.port}/metrics`);
  expect(response.status).toBe(200);
  expect(await response.text()).toContain('keelson_node_duration_seconds');
});

test('every figure of the dashboard is one that is kept', async () => {
  const dashboard = readFileSync(new URL('../../../deploy/grafana/keelson.json', import.meta.url), 'utf8');
  const wanted = new Set(
    [...dashboard.matchAll(/keelson_[a-z_]+/g)].map(([name]) => name.replace(/_(bucket|sum|count)$/, '')),
  );
  const kept = new Set((await registry.getMetricsAsJSON()).map(({ name }) => name));
  expect([...wanted].filter((name) => !kept.has(name))).toEqual([]);
  expect(wanted.size).toBeGreaterThan(5);
});
