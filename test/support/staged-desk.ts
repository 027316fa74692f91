import { parseDocument } from '../../api/services/documents.js';
import { newId } from '../../db/ids.js';
import { insertDefinition } from '../../db/definitions.js';
import type { Database } from '../../db/client.js';
import { ActionToolConfig } from '../../workflows/definition/agents/action-tool.js';
import { NamedAgentConfig } from '../../workflows/definition/agents/named-agent.js';
import type { Json } from '../../workflows/definition/values.js';
import type { Person } from './api.js';
import type { Answered } from './http.js';
import { listenTo, type Listening } from './sse.js';

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

export async function seedTool(
  db: Database,
  workspaceId: string,
  { name, ...tool }: { readonly name: string; readonly actions: readonly object[] },
): Promise<void> {
  const config = JSON.stringify(ActionToolConfig.parse(tool));
  const row = { id: newId('atl'), workspace_id: workspaceId, name, config, created_by: 'test' };
  await db.insertInto('action_tools').values(row).execute();
}

/** A staged workflow of a workspace, as its document is written; its id. */
export async function seedStaged(
  db: Database,
  workspaceId: string,
  { slug, document }: { readonly slug: string; readonly document: object },
): Promise<string> {
  // -- reason: what tests write is JSON
  const parsed = parseDocument('staged', document as Json);
  const definitionId = newId('def');
  const told = { kind: 'staged', status: 'published', slug, name: slug, createdBy: 'test' };
  await insertDefinition(db, { workspaceId, definitionId, ...told, document: parsed });
  return definitionId;
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
