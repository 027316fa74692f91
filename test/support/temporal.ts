import fs from 'node:fs';
import path from 'node:path';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger, Runtime } from '@temporalio/worker';
import { findTool } from '../../local/find-tool.js';
import { choosePort } from '../../local/processes.js';
import { startTemporal } from '../../local/temporal.js';
import { temporalCli, temporalTestServer, type Tool } from '../../local/tools.js';
import { bundleSource } from '../../workers/bundle-source.js';
import { once, runFolder } from './run-folder.js';

export const TEST_NAMESPACE = 'keelson';

/** The address of the one local Temporal server of the jest run; use ids and task queues of one's own. */
export async function temporalAddress(): Promise<string> {
  quietRuntime();
  const { address } = await once('temporal', async () => {
    const cliPath = await toolPath(temporalCli);
    const ports = { port: await choosePort(), uiPort: 0 };
    const dataDir = path.join(runFolder(), 'temporal');
    const server = await startTemporal({ dataDir, cliPath, namespace: TEST_NAMESPACE, ports, headless: true });
    return { address: server.address, pid: server.pid };
  });
  return address;
}

/** A real server of one's own, for what the shared one must not see; `teardown()` ends it. */
export async function localEnvironment(): Promise<TestWorkflowEnvironment> {
  quietRuntime();
  const file = await once('temporal-cli', () => toolPath(temporalCli));
  return TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path: file } } });
}

/** A server of one's own that skips over every wait; `teardown()` ends it. */
export async function timeSkippingEnvironment(): Promise<TestWorkflowEnvironment> {
  quietRuntime();
  const file = await once('time-skipping', () => toolPath(temporalTestServer));
  return TestWorkflowEnvironment.createTimeSkipping({ server: { executable: { type: 'existing-path', path: file } } });
}

/** The bundle of `workflows/index.ts`, made once a run: `Worker.create({ workflowBundle: await bundleWorkflows() })`. */
export async function bundleWorkflows(): Promise<{ readonly codePath: string }> {
  return once('workflow-bundle', async () => {
    const { code } = await bundleWorkflowCode({ ...bundleSource, logger: new DefaultLogger('ERROR') });
    const codePath = path.join(runFolder(), 'workflow-bundle.js');
    fs.writeFileSync(codePath, code);
    return { codePath };
  });
}

let isInstalled = false;

/** Before anything else of the SDK in a test file: errors only, and signals stay jest's. */
export function quietRuntime(): void {
  if (isInstalled) return;
  isInstalled = true;
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    shutdownSignals: [],
    telemetryOptions: { logging: { forward: {}, filter: { core: 'ERROR', other: 'ERROR' } } },
  });
}

function toolPath(tool: Tool): Promise<string> {
  const progress = (message: string): void => void process.stderr.write(`${message}\n`);
  return findTool(tool, { env: process.env, progress, fallbackCache: path.join(runFolder(), 'cache') });
}
