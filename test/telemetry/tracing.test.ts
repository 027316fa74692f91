import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Person } from '../support/api.js';
import { publish } from '../support/commands.js';
import { approval, linePlan, node } from '../support/plans.js';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { until } from '../support/until.js';

/** Spans as a collector gets them, by OTLP in JSON. */
interface SentSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[];
  readonly status: { readonly code?: number; readonly message?: string };
}

let collector: Server;
let platform: TestPlatform;
let person: Person;
const spans: SentSpan[] = [];

beforeAll(async () => {
  collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.url === '/v1/traces' && request.headers['x-team'] === 'core')
        spans.push(...spansIn(JSON.parse(Buffer.concat(chunks).toString())));
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  // -- reason: it listens on a port
  const { port } = collector.address() as AddressInfo;
  platform = await startTestPlatform({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}/`,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-team=core',
  });
  person = await platform.signUp();
}, 120_000);
afterAll(async () => {
  await platform.close();
  await new Promise((resolve) => collector.close(resolve));
});

function spansIn(message: unknown): readonly SentSpan[] {
  // -- reason: the form OTLP has; a test that gets another finds no span
  const { resourceSpans = [] } = message as {
    readonly resourceSpans?: readonly { readonly scopeSpans: readonly { readonly spans: readonly SentSpan[] }[] }[];
  };
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
}

const ofTrace = (traceId: string) => spans.filter((span) => span.traceId === traceId);
const named = (traceId: string, name: string) => ofTrace(traceId).find((span) => span.name.startsWith(name));
const parentOf = (span: SentSpan | undefined) => spans.find(({ spanId }) => spanId === span?.parentSpanId)?.name;

let sequence = 0;
/** A trace id of our own, as a client with traces sends one. */
function traceparent(): { readonly id: string; readonly header: string } {
  sequence += 1;
  const id = sequence.toString(16).padStart(32, 'a');
  return { id, header: `00-${id}-00f067aa0ba902b7-01` };
}

test('a request, the run it starts, each activity and each call of a model are one trace', async () => {
  const trace = traceparent();
  const plan = linePlan(node('llm', 'ask', { prompt: 'Say something about kettles' }));
  const { id } = await publish(platform.db, person, { slug: 'traced', plan });
  const { status, body } = await person.call('POST', '/v1/runs', {
    body: { definition: id, input: 'a secret thing', wait: 20 },
    headers: { traceparent: trace.header },
  });
  expect(status).toBe(200);
  await until(
    async () => ['POST /v1/runs', 'RunWorkflow:run', 'chat'].map((name) => named(trace.id, name)),
    (found) => found.every((span) => span !== undefined),
  );
  const { id: traceId } = trace;
  expect(named(traceId, 'POST /v1/runs')?.parentSpanId).toBe('00f067aa0ba902b7');
  expect(parentOf(named(traceId, 'StartWorkflow:run'))).toBe('POST /v1/runs');
  expect(parentOf(named(traceId, 'RunWorkflow:run'))).toBe('StartWorkflow:run');
  expect(parentOf(named(traceId, 'RunActivity:runSegment'))).toBe('RunWorkflow:run');
  expect(parentOf(named(traceId, 'node llm ask'))).toBe('RunActivity:runSegment');
  expect(parentOf(named(traceId, 'chat'))).toBe('node llm ask');
  const attributes = named(traceId, 'node llm ask')?.attributes ?? [];
  expect(attributes.find(({ key }) => key === 'keelson.run_id')?.value.stringValue).toBe(body['id']);
  expect(JSON.stringify(ofTrace(traceId))).not.toMatch(/kettles|secret thing/);
});

test('what a decision sets going belongs to the trace of whoever decided', async () => {
  const plan = linePlan(approval('ok'), node('llm', 'after', { prompt: 'Go on' }));
  const { id } = await publish(platform.db, person, { slug: 'decided', plan });
  const started = traceparent();
  const { body } = await person.call('POST', '/v1/runs', {
    body: { definition: id, input: null },
    headers: { traceparent: started.header },
  });
  const runId = String(body['id']);
  const look = async () => (await person.call('GET', `/v1/runs/${runId}`)).body;
  const waiting = await until(look, (run) => run['status'] === 'waiting');
  // -- reason: what GET /v1/runs/{id} answers
  const [wait] = waiting['waits'] as readonly { readonly token: string }[];
  const decided = traceparent();
  await person.call('POST', `/v1/runs/${runId}/waits/${wait?.token}`, {
    body: { decision: 'approve' },
    headers: { traceparent: decided.header },
  });
  await until(look, (run) => run['status'] === 'completed');
  await until(
    async () => [named(decided.id, 'node llm after'), named(started.id, 'RunWorkflow:run')],
    (found) => found.every((span) => span !== undefined),
  );
  expect(named(started.id, 'node llm after')).toBeUndefined();
});
