import { runEventsAfter, type LoggedEvent } from '../../db/run-events.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { derivedId, newId, newSeed } from '../../db/ids.js';
import { insertDefinition } from '../../db/definitions.js';
import type { Database } from '../../db/client.js';
import type { Json } from '../../workflows/definition/values.js';
import type { Person } from './api.js';
import type { Answered } from './http.js';

/** Calls as tests make them. */

/** All of a call that is the same whichever it is. */
export const someCall = {
  workflowSlug: 'desk',
  userId: 'customer-7',
  callType: 'voip',
  phoneNumber: null,
  direction: 'outbound',
  userContext: {},
  metadata: {},
  isLive: true,
} as const;

export interface Speaker {
  readonly name: string;
  readonly greeting?: string;
  /** Seconds of silence that end the call. */
  readonly silence?: number;
}

export async function insertAgent(
  db: Database,
  { workspace, userId }: Person,
  { name, greeting, silence }: Speaker,
): Promise<void> {
  const config = {
    prompt: { system: `You are ${name}.`, ...(greeting === undefined ? {} : { greeting }), variables: [] },
    ...(silence === undefined ? {} : { session: { auto_disconnect_timeout: silence } }),
    ...{ tools: [], handoffs: [], languages: [] },
  };
  const row = { id: newId('agt'), workspace_id: workspace.id, name, display_name: name, created_by: userId };
  await db
    .insertInto('agents')
    .values({ ...row, config: JSON.stringify(config), deleted_at: null })
    .execute();
}

export interface Line {
  readonly slug: string;
  readonly agents: readonly Speaker[];
}

/** A published workflow of agents, each of whom may hand over to the next and end the call. */
export async function publishLine(db: Database, person: Person, { slug, agents }: Line): Promise<string> {
  for (const agent of agents) await insertAgent(db, person, agent);
  const nodes = agents.map(({ name }, index) => ({
    ...{ id: name, agent_name: name, is_entry: index === 0, is_exit: true },
  }));
  const connections = agents
    .slice(1)
    .map(({ name }, index) => ({ source_id: agents[index]?.name ?? '', target_id: name, context_passed: [] }));
  const definitionId = derivedId('def', newSeed());
  await insertDefinition(db, {
    ...{ workspaceId: person.workspace.id, definitionId, kind: 'agent_dag', slug, name: `Line ${slug}` },
    ...{ status: 'draft', createdBy: person.userId },
    document: { nodes, connections, shared_context: [] },
  });
  const published = await person.call('POST', `/v1/definitions/${definitionId}/publish`, { body: {} });
  if (published.status >= 300) throw new Error(published.text);
  return definitionId;
}

export interface Caller {
  readonly start: (slug: string, more?: object) => Promise<string>;
  /** Waits for the first words without a message. */
  readonly say: (callId: string, message?: string) => Promise<Said>;
  readonly get: (callId: string) => Promise<Readonly<Record<string, Json>>>;
  /** `role agent: content`. */
  readonly transcript: (callId: string) => Promise<readonly string[]>;
  readonly end: (callId: string, body?: object) => Promise<Answered>;
}

export interface Said {
  readonly status: string;
  readonly current_agent: string | null;
  readonly messages: readonly { readonly role: string; readonly content: string; readonly agent: string }[];
  readonly ended: boolean;
}

export function callerOf(person: Person): Caller {
  const called = async (method: string, path: string, body?: object): Promise<Answered> => {
    const answer = await person.call(method, path, body === undefined ? {} : { body });
    if (answer.status < 300) return answer;
    throw new Error(`${method} ${path}: ${answer.status} ${answer.text.slice(0, 1_000)}`);
  };
  return {
    start: async (slug, more = {}) =>
      String((await called('POST', '/api/v1/calls', { workflow_slug: slug, ...more })).body['call_id']),
    // -- reason: the shape of a turn's reply; a test that gets another fails at its first use
    say: async (id, message) =>
      (await called('POST', `/api/v1/calls/${id}/turns`, message === undefined ? {} : { message }))
        .body as unknown as Said,
    // -- reason: JSON of the reply
    get: async (id) => (await called('GET', `/api/v1/calls/${id}`)).body as Readonly<Record<string, Json>>,
    transcript: async (id) => {
      const { text } = await called('GET', `/api/v1/calls/${id}/transcript`);
      // -- reason: the shape of a transcript
      const words = JSON.parse(text) as readonly {
        readonly role: string;
        readonly agent: string;
        readonly content: string;
      }[];
      return words.map(({ role, agent, content }) => `${role} ${agent}: ${content}`);
    },
    end: (id, body = {}) => person.call('POST', `/api/v1/calls/${id}/end`, { body }),
  };
}

/** The call's own part of its run's log. */
export const callEvents = async (db: Database, run: RunRef): Promise<readonly LoggedEvent[]> =>
  (await runEventsAfter(db, run, { after: 0, limit: 1_000 })).filter(({ type }) => type === 'call');
