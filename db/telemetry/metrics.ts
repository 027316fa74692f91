import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Figures of this process in Prometheus' form; every process that serves `/metrics` shows its own. */
export const registry = new Registry();

let isWatching = false;

/** Memory, processor and event loop, watched from here to the end of the process. */
export function collectProcessMetrics(): void {
  if (isWatching) return;
  isWatching = true;
  collectDefaultMetrics({ register: registry });
}

const registers = [registry];

export const httpSeconds = new Histogram({
  name: 'keelson_http_request_duration_seconds',
  help: 'Time from the first byte of a request to the last of its answer, streams left out',
  labelNames: ['route', 'method', 'status'],
  buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  registers,
});

export const openStreams = new Gauge({
  name: 'keelson_open_streams',
  help: 'Clients that follow events now',
  labelNames: ['kind'],
  registers,
});

export const nodeSeconds = new Histogram({
  name: 'keelson_node_duration_seconds',
  help: 'Time one attempt at a node took',
  labelNames: ['kind', 'outcome'],
  buckets: [0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300],
  registers,
});

export const modelSeconds = new Histogram({
  name: 'keelson_model_call_duration_seconds',
  help: 'Time one call of a language model took',
  labelNames: ['model', 'outcome'],
  buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120],
  registers,
});

export const modelTokens = new Counter({
  name: 'keelson_model_tokens_total',
  help: 'Tokens that language models read and wrote',
  labelNames: ['model', 'direction'],
  registers,
});

export const openRuns = new Gauge({
  name: 'keelson_open_runs',
  help: 'Runs that have not ended, over the whole installation',
  labelNames: ['status'],
  registers,
});

export const oldestQueued = new Gauge({
  name: 'keelson_oldest_queued_run_seconds',
  help: 'How long the oldest accepted run has waited to begin',
  registers,
});

export const webhookDeliveries = new Gauge({
  name: 'keelson_webhook_deliveries',
  help: 'Outgoing webhooks on their way, and dead ones of the last day, over the whole installation',
  labelNames: ['status'],
  registers,
});

export const ingressMessages = new Gauge({
  name: 'keelson_ingress_messages',
  help: 'Inbound webhooks not worked off, and dead ones of the last day, over the whole installation',
  labelNames: ['status'],
  registers,
});
