import type { Answered } from './http.js';
import type { Person } from './api.js';

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
  const called = async (method: string, path: string, body: object | undefined, status: number): Promise<Answered> => {
    const answer = await person.call(method, path, body === undefined ? {} : { body });
    if (answer.status !== status) throw new Error(`${method} ${path}: ${answer.status} ${answer.text.slice(0, 1_000)}`);
    return answer;
  };
  // -- reason: the shape of a session's reply; a test that gets another fails at its first use
  const talked = ({ body }: Answered): Talked => body as unknown as Talked;
  const sessions = '/v1/runtime/workflows/sessions';
  let drawn = 0;
  return {
    draw: async (graph, more = {}) => {
      const body = { name: `Workflow ${(drawn += 1)}`, graph, ...more };
      return String((await called('POST', '/v1/workflows', body, 201)).body['id']);
    },
    publish: async (id) => void (await called('POST', `/v1/workflows/${id}/publish`, {}, 200)),
    start: async (id, body = {}) => talked(await called('POST', `/v1/runtime/workflows/${id}/sessions`, body, 201)),
    say: async ({ session_id: id }, message) =>
      talked(await called('POST', `${sessions}/${id}/turns`, { message }, 200)),
    read: async ({ session_id: id }) => talked(await called('GET', `${sessions}/${id}`, undefined, 200)),
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
export const to = (source: string, target: string, expr?: string, more: object = {}) => ({
  source,
  target,
  ...(expr === undefined ? {} : { condition: { expr } }),
  ...more,
});
