import type { Answered } from './http.js';
import type { Person } from './api.js';
import { startTestPlatform } from './platform.js';
import { startSink } from './sink.js';

/** Conversations with workflows as tests hold them. */

export interface Talked {
  readonly session_id: string;
  readonly workflow_id: string;
  readonly version: number | null;
  readonly messages: readonly { readonly role: string; readonly text: string; readonly node_id: string }[];
  readonly state: string;
  readonly status: string;
  readonly active_node: string | null;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly trace: readonly Readonly<Record<string, unknown>>[];
  readonly error: { readonly type: string; readonly node_id?: string } | null;
}

export interface SessionUser {
  /** A new workflow; its id. */
  readonly draw: (graph: object, more?: object) => Promise<string>;
  readonly publish: (id: string) => Promise<void>;
  readonly start: (id: string, body?: object) => Promise<Talked>;
  readonly say: (talked: Talked, message: string) => Promise<Talked>;
  readonly read: (talked: Talked) => Promise<Talked>;
}

export function sessionUser(person: Person): SessionUser {
  const called = async (method: 'GET' | 'POST', path: string, body?: object): Promise<Answered> => {
    const answer = await person.call(method, path, body === undefined ? {} : { body });
    if (answer.status < 300) return answer;
    throw new Error(`${method} ${path}: ${answer.status} ${answer.text.slice(0, 1_000)}`);
  };
  // -- reason: the shape of a session's reply; a test that gets another fails at its first use
  const talked = ({ body }: Answered): Talked => body as unknown as Talked;
  const sessions = '/v1/runtime/workflows/sessions';
  let drawn = 0;
  return {
    draw: async (graph, more = {}) => {
      const body = { name: `Workflow ${(drawn += 1)}`, graph, ...more };
      return String((await called('POST', '/v1/workflows', body)).body['id']);
    },
    publish: async (id) => void (await called('POST', `/v1/workflows/${id}/publish`, {})),
    start: async (id, body = {}) => talked(await called('POST', `/v1/runtime/workflows/${id}/sessions`, body)),
    say: async ({ session_id: id }, message) => talked(await called('POST', `${sessions}/${id}/turns`, { message })),
    read: async ({ session_id: id }) => talked(await called('GET', `${sessions}/${id}`)),
  };
}

export const texts = ({ messages }: Talked): readonly string[] => messages.map(({ text }) => text);

export const routes = ({ trace }: Talked): readonly string[] =>
  trace.flatMap(({ type, node_id: from, to }) =>
    type === 'workflow.node.route' ? [`${String(from)} > ${String(to)}`] : [],
  );

export const typesOf = ({ trace }: Talked): readonly string[] => trace.map(({ type }) => String(type));

/** Nodes and edges as an author writes them. */
export const agent = (id: string, config: object = {}) => ({
  id,
  type: 'instruction_agent',
  config: { instructions: `You are ${id}.`, ...config },
});
export const to = (source: string, target: string, way: string | { readonly [key: string]: unknown } = {}) => {
  if (typeof way === 'string') return { source, target, condition: { expr: way } };
  const { expr, ...more } = way;
  return { source, target, ...(expr === undefined ? {} : { condition: { expr } }), ...more };
};

/** The platform with somebody signed up, and a shop whose orders are a tool of their workspace. */
export async function openDesk() {
  const shop = await startSink();
  const platform = await startTestPlatform({ KEELSON_EGRESS_ALLOW: shop.address });
  const person = await platform.signUp();
  const tool = { name: 'find_order', method: 'POST', url: `${shop.url}/orders`, outputs: { found: '$.ok' } };
  const made = await person.call('POST', '/v1/workspace-tools', { body: tool });
  if (made.status !== 201) throw new Error(made.text);
  const close = async (): Promise<void> => {
    await platform.close();
    await shop.close();
  };
  return { shop, platform, person, user: sessionUser(person), close };
}
export type Desk = Awaited<ReturnType<typeof openDesk>>;
