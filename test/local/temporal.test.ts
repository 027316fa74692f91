import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Connection } from '@temporalio/client';
import { findTool } from '../../local/find-tool.js';
import { choosePort, isAlive, sendSignal, waitUntil } from '../../local/processes.js';
import { ensureForeignNamespace, ensureNamespace, SEARCH_ATTRIBUTES } from '../../local/temporal-namespace.js';
import { startTemporal, type LocalTemporal, type TemporalOptions } from '../../local/temporal.js';
import { temporalCli } from '../../local/tools.js';
import { runFolder } from '../support/run-folder.js';
import { scratchFolder } from '../support/scratch.js';
import { bundleWorkflows, quietRuntime, temporalAddress, timeSkippingEnvironment } from '../support/temporal.js';

quietRuntime();

describe('the local Temporal server', () => {
  let options: TemporalOptions;
  let server: LocalTemporal;
  let connection: Connection;
  beforeAll(async () => {
    const dataDir = path.join(scratchFolder(), 'temporal');
    const cliPath = await findTool(temporalCli, {
      env: process.env,
      progress: () => undefined,
      fallbackCache: path.join(runFolder(), 'cache'),
    });
    const ports = { port: await choosePort(), uiPort: await choosePort() };
    options = { dataDir, cliPath, namespace: 'keelson-test', ports };
    server = await startTemporal(options);
    connection = await Connection.connect({ address: server.address });
  });
  afterAll(async () => {
    await connection.close();
    await server.stop();
  });

  test('has our namespace with a week of retention and our search attributes', async () => {
    const { config } = await connection.workflowService.describeNamespace({ namespace: 'keelson-test' });
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'keelson-test' });
    expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(7 * 24 * 3600);
    expect(Object.keys(customAttributes ?? {})).toEqual(expect.arrayContaining([...SEARCH_ATTRIBUTES]));
  });

  test('may be prepared again and by two at once', async () => {
    await Promise.all([ensureNamespace(connection, 'other'), ensureNamespace(connection, 'other')]);
    expect(await ensureForeignNamespace(connection, 'other')).toBeUndefined();
  });

  test('shows its pages', async () => {
    const page = await fetch(server.uiUrl ?? '');
    expect(page.status).toBe(200);
  });

  test('is adopted by a second start', async () => {
    const { ports: _ports, ...anyPorts } = options;
    expect(await startTemporal(anyPorts)).toMatchObject({ pid: server.pid, address: server.address, adopted: true });
  });

  test('killed, it starts again on its ports with its data', async () => {
    sendSignal(server.pid, 'SIGKILL');
    await waitUntil(() => !isAlive(server.pid), { patienceMs: 5_000 });
    const again = await startTemporal(options);
    expect(again).toMatchObject({ address: server.address, uiUrl: server.uiUrl, adopted: false });
    const { namespaces } = await connection.workflowService.listNamespaces({});
    expect(namespaces.map((entry) => entry.namespaceInfo?.name)).toContain('other');
    server = again;
  });

  test('says why it did not start', async () => {
    const dataDir = scratchFolder();
    const start = startTemporal({ ...options, dataDir, cliPath: '/bin/false', ports: { port: 1, uiPort: 2 } });
    await expect(start).rejects.toThrow(/^The local Temporal server did not start, see .*temporal\.log: /);
  });
});

describe('the harness', () => {
  test('shares one server and one bundle', async () => {
    expect(await temporalAddress()).toBe(await temporalAddress());
    expect(await bundleWorkflows()).toEqual(await bundleWorkflows());
  });

  test('starts a time-skipping server', async () => {
    const environment = await timeSkippingEnvironment();
    const before = await environment.currentTimeMs();
    await environment.sleep('30 days');
    expect((await environment.currentTimeMs()) - before).toBeGreaterThanOrEqual(30 * 24 * 3600 * 1000);
    await environment.teardown();
  });
});
