import { writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { DefaultLogger, bundleWorkflowCode, type WorkflowBundle } from '@temporalio/worker';
import type { Database } from '../../db/client.js';
import { newId } from '../../db/ids.js';
import { compilePrompt } from '../../workflows/definition/prompt.js';

export const REPLAY = fileURLToPath(new URL('../../../test/replay/', import.meta.url));
type History = Parameters<typeof historyToJSON>[0];

export const bundleTicks = (): Promise<WorkflowBundle> =>
  bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('./workflows.js', import.meta.url)),
    logger: new DefaultLogger('ERROR'),
  });

export interface TestWorkspace {
  readonly workspaceId: string;
}

export async function seedWorkspace(
  db: Database,
  settings: { readonly max_concurrent_tasks?: number } = {},
): Promise<TestWorkspace> {
  const tenantId = newId('ten');
  const workspaceId = newId('ws');
  await db.insertInto('tenants').values({ id: tenantId, name: 'Tenant', slug: tenantId }).execute();
  await db
    .insertInto('workspaces')
    .values({ id: workspaceId, tenant_id: tenantId, slug: workspaceId, name: 'Workspace', ...settings })
    .execute();
  return { workspaceId };
}

export interface TestChain {
  readonly id: string;
  readonly slug: string;
  readonly versionId: string;
}

/** A chain that is live, with one version. */
export async function seedChain(db: Database, workspaceId: string, slug: string): Promise<TestChain> {
  const id = newId('def');
  const versionId = newId('ver');
  await db
    .insertInto('definitions')
    .values({
      id,
      workspace_id: workspaceId,
      kind: 'chain',
      slug,
      name: slug,
      status: 'live',
      document: '{}',
      version_id: versionId,
      created_by: 'test',
    })
    .execute();
  await db
    .insertInto('versions')
    .values({
      id: versionId,
      workspace_id: workspaceId,
      definition_id: id,
      number: 1,
      hash: 'hash',
      document: '{}',
      plan: JSON.stringify(compilePrompt({ agent: 'a', label: 'a' })),
    })
    .execute();
  return { id, slug, versionId };
}

/** A client that was connected and whose server has since gone away. */
export async function connectThenLose(address: string): Promise<Connection> {
  const [host = '', port = ''] = address.split(':');
  const sockets = new Set<Socket>();
  const proxy = createServer((near) => {
    const far = connect(Number(port), host);
    for (const socket of [near, far]) sockets.add(socket.on('error', () => undefined));
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const bound = proxy.address();
  if (bound === null || typeof bound === 'string') throw new Error('the proxy has no port');
  const connection = await Connection.connect({ address: `127.0.0.1:${bound.port}` });
  proxy.close();
  for (const socket of sockets) socket.destroy();
  return connection;
}

/** Keeps a history for the replay test, without the name of the machine it was made on; only with RECORD_HISTORIES=1. */
export async function record(name: string, history: History): Promise<void> {
  if (process.env['RECORD_HISTORIES'] !== '1') return;
  const text = historyToJSON(history).replaceAll(`${process.pid}@${hostname()}`, 'worker');
  await writeFile(`${REPLAY}${name}.json`, text);
}
