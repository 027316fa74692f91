import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { registry } from '../db/telemetry/metrics.js';

export interface HealthServer {
  readonly port: number;
  readonly close: () => Promise<void>;
}

/** `/healthz` of a worker: 200 while it polls, 503 while it drains or after it failed; `/metrics` has its figures. */
export async function serveHealth(port: number, isHealthy: () => boolean): Promise<HealthServer> {
  const server = createServer((request, response) => {
    if (request.url === '/metrics') return void sendMetrics(response);
    const healthy = isHealthy();
    response.writeHead(healthy ? 200 : 503, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ status: healthy ? 'ok' : 'stopping' }));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, resolve);
  });
  return {
    // A server that listens on a port has an AddressInfo. -- net types it for pipes too
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

async function sendMetrics(response: ServerResponse): Promise<void> {
  const text = await registry.metrics();
  response.writeHead(200, { 'content-type': registry.contentType });
  response.end(text);
}
