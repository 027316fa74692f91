import { newId } from '../../db/ids.js';
import { insertDefinition } from '../../db/definitions.js';
import type { Database } from '../../db/client.js';
import { NamedAgentConfig } from '../../workflows/definition/agents/named-agent.js';
import { serviceAgents } from '../../workflows/definition/agents/starters.js';
import { shippedWorkflows } from '../../workflows/definition/staged/shipped.js';
import type { Json } from '../../workflows/definition/values.js';
import type { Person } from './api.js';
import type { Answered } from './http.js';
import { listenTo, type Listening } from './sse.js';

/** A workspace with the agents and the workflows that are shipped, where they are not there already. */
export async function seedShipped(db: Database, { workspace, userId }: Person): Promise<void> {
  for (const agent of serviceAgents) await seedAgent(db, workspace.id, agent);
  for (const { slug, name, description, document } of shippedWorkflows) {
    await seedStaged(db, workspace.id, { slug, name, description, document, createdBy: userId });
  }
}

export async function seedAgent(
  db: Database,
  workspaceId: string,
  agent: { readonly name: string; readonly config: object; readonly display_name?: string },
): Promise<void> {
  const config = JSON.stringify(NamedAgentConfig.parse(agent.config));
  const { name, display_name = name } = agent;
  await db
    .insertInto('agents')
    .values({ id: newId('agt'), workspace_id: workspaceId, name, display_name, config, created_by: 'test' })
    .onConflict((conflict) => conflict.columns(['workspace_id', 'name']).where('deleted_at', 'is', null).doNothing())
    .execute();
}

export async function seedStaged(
  db: Database,
  workspaceId: string,
  made: { readonly slug: string; readonly document: Json; readonly name?: string; readonly description?: string; readonly createdBy?: string },
): Promise<void> {
  const { slug, document, name = slug, description = '', createdBy = 'test' } = made;
  const known = await db
    .selectFrom('definitions')
    .select('id')
    .where('workspace_id', '=', workspaceId)
    .where('slug', '=', slug)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  if (known !== undefined) return;
  const definition = { workspaceId, definitionId: newId('def'), kind: 'staged', status: 'published' };
  await insertDefinition(db, { ...definition, slug, name, description, document, createdBy });
}

/** Somebody who runs staged workflows. */
export interface StagedUser {
  readonly run: (key: string, body: object | string, headers?: Readonly<Record<string, string>>) => Promise<Answered>;
  readonly get: (runId: string) => Promise<Answered>;
  readonly list: (query?: string) => Promise<Answered>;
  readonly cancel: (runId: string) => Promise<Answered>;
  readonly stream: (key: string, body: object) => Promise<Listening>;
  /** Of a run that was begun before, from behind an event. */
  readonly follow: (runId: string, after?: string, url?: string) => Promise<Listening>;
}

const at = '/api/v1/workflows';

export function stagedUser(url: string, person: Person): StagedUser {
  const authorization = `Bearer ${person.token}`;
  return {
    run: (key, body, headers = {}) =>
      person.call('POST', `${at}/${key}/run`, { body: typeof body === 'string' ? { message: body } : body, headers }),
    get: (runId) => person.call('GET', `${at}/runs/${runId}`),
    list: (query = '') => person.call('GET', `${at}/runs${query}`),
    cancel: (runId) => person.call('POST', `${at}/runs/${runId}/cancel`),
    stream: (key, body) =>
      listenTo(`${url}${at}/${key}/run-stream`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    follow: (runId, after, from = url) =>
      listenTo(`${from}${at}/runs/${runId}/stream`, {
        headers: { authorization, ...(after === undefined ? {} : { 'last-event-id': after }) },
      }),
  };
}
