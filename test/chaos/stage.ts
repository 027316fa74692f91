import type { Client } from './client.js';
import { carrierGraph, DESK, deskGraph } from './graph-documents.js';
import { chainOf } from './load.js';
import type { Sink } from './sink.js';

/** A workspace with the chain and the graphs, made before anything is killed. */
export interface Account {
  readonly token: string;
  readonly workspaceId: string;
  /** A token of the workspace: to the platform another person. */
  readonly secondToken: string;
}

export async function signUp(client: Client): Promise<Omit<Account, 'secondToken'>> {
  const body = await must(client, '/v1/auth/signup', {
    email: 'chaos@example.com',
    password: 'a long enough password',
    workspace_name: 'Chaos',
  });
  // -- reason: the reply of our own route
  const { access_token: token, workspace } = body as {
    readonly access_token: string;
    readonly workspace: { readonly id: string };
  };
  return { token, workspaceId: workspace.id };
}

export async function mintToken(client: Client, workspaceId: string): Promise<string> {
  return String((await must(client, `/workspaces/${workspaceId}/tokens`, {}))['auth_token']);
}

export async function makeDefinitions(client: Client, sink: Sink, secret: string): Promise<void> {
  await must(client, '/v1/workflow-chains', chainOf(sink.url('hook'), secret));
  const carrier = await publish(client, 'carrier', carrierGraph(sink));
  await publish(client, DESK, deskGraph(sink, carrier));
}

async function publish(client: Client, slug: string, graph: object): Promise<string> {
  const { id } = await must(client, '/v1/workflows', { name: slug, slug, engine: 'automation', graph });
  await must(client, `/v1/workflows/${String(id)}/publish`, {});
  return String(id);
}

async function must(client: Client, path: string, body: object): Promise<Readonly<Record<string, unknown>>> {
  const reply = await client.call({ method: 'POST', path, body });
  if (reply.status >= 300) throw new Error(`${path} was answered ${reply.status}: ${JSON.stringify(reply.body)}`);
  return reply.body;
}
