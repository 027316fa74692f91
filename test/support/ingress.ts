import { expect } from '@jest/globals';
import type { Provider } from '../../api/services/ingress/schemes/index.js';
import type { TemporalGateway } from '../../api/temporal/gateway.js';
import type { RunInput } from '../../workflows/contract/run.js';
import { startTestApi, type Person, type TestApi } from './api.js';
import { publish } from './commands.js';
import { send, type Answered } from './http.js';
import { linePlan, pass } from './plans.js';
import { scriptedTemporal } from './scripted-temporal.js';
import { until } from './until.js';
import { bodyOf, secrets, settings, signed } from './webhooks.js';

export interface MadeSource {
  readonly id: string;
  readonly provider: Provider;
  /** Path of its address. */
  readonly path: string;
}

export interface Posted {
  readonly id?: string;
  readonly body?: Buffer | string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly secret?: string;
  /** Seconds since 1970. */
  readonly at?: number;
  readonly query?: string;
}

export const nowSeconds = (): number => Math.floor(Date.now() / 1_000);

/** What tests do with sources again and again, as one person and as their providers. */
export const ingressUser = (person: Person, url: string) => ({
  create: async (provider: Provider, more: object): Promise<MadeSource> => {
    const body = {
      ...{ name: `From ${provider}`, slug: `from-${Math.random().toString(36).slice(2)}`, provider },
      ...{ secret: secrets[provider], verification: settings[provider] },
      ...more,
    };
    const made = await person.call('POST', '/v1/ingress-sources', { body });
    expect({ status: made.status, text: made.status === 201 ? '' : made.text }).toEqual({ status: 201, text: '' });
    return { id: String(made.body['id']), provider, path: new URL(String(made.body['url']), url).pathname };
  },
  /** As the provider signs it. */
  post: (source: MadeSource, { id = 'evt_1', at = nowSeconds(), headers = {}, query = '', ...more }: Posted = {}) => {
    const { provider } = source;
    const body = Buffer.from(more.body ?? bodyOf[provider](id));
    const of = { secret: more.secret ?? secrets[provider], body, at, id, url: `${PUBLIC_URL}${source.path}${query}` };
    return send(`${url}${source.path}${query}`, {
      method: 'POST',
      headers: { ...signed[provider](of), ...headers },
      body: new Uint8Array(body),
    });
  },
  messages: async (source: MadeSource, query = ''): Promise<readonly Record<string, unknown>[]> => {
    const { body } = await person.call('GET', `/v1/ingress-sources/${source.id}/messages?limit=100${query}`);
    return body['items'] as readonly Record<string, unknown>[];
  },
  message: (id: unknown): Promise<Answered> => person.call('GET', `/v1/ingress-messages/${String(id)}`),
});

/** As providers know it; nothing listens there. */
export const PUBLIC_URL = 'https://flows.example.com';

type User = ReturnType<typeof ingressUser>;

/** The same, but an answer is what has become of the message in the end, on a machine of any speed. */
const settling = (user: User, started: IngressStage['started']): User => ({
  ...user,
  post: async (source, posted) => {
    const answer = await user.post(source, posted);
    if (answer.status !== 202) return answer;
    const { body } = await until(
      () => user.message(answer.body['id']),
      (message) => message.body['status'] !== 'received',
    );
    const { run_id: runId, ...rest } = answer.body;
    const run = typeof body['run_id'] === 'string' ? { run_id: runId } : {};
    if (typeof body['run_id'] === 'string')
      await until(
        () => Promise.resolve(started(runId)),
        (all) => all.length > 0,
      );
    return { ...answer, body: { ...rest, ...run, status: body['status'] } };
  },
});

export interface IngressStage {
  readonly api: TestApi;
  readonly person: Person;
  readonly stranger: Person;
  readonly user: ReturnType<typeof ingressUser>;
  readonly gateway: TemporalGateway;
  /** Of a definition that takes every message. */
  readonly definition: string;
  /** The id of a definition with an input schema, and nothing to do. */
  readonly workflow: (slug: string, inputSchema: object) => Promise<string>;
  /** How a run was started, each time it was. */
  readonly started: (runId: unknown) => readonly RunInput[];
  readonly inputOf: (runId: unknown) => unknown;
}

/** An API whose Temporal only listens, with somebody who takes webhooks and a stranger. */
export async function startIngressStage(): Promise<IngressStage> {
  const { gateway, asked } = scriptedTemporal();
  const api = await startTestApi({ temporal: () => gateway, env: { KEELSON_PUBLIC_URL: PUBLIC_URL } });
  const [person, stranger] = [await api.signUp(), await api.signUp()];
  const workflow = async (slug: string, inputSchema: object): Promise<string> => {
    const plan = { ...linePlan(pass('a')), inputSchema: { type: 'object', ...inputSchema } };
    return (await publish(api.db, person, { slug, plan })).id;
  };
  const started = (runId: unknown): readonly RunInput[] =>
    asked('startRun')
      // -- reason: what the gateway is asked is typed by its name alone
      .map(([input]) => input as RunInput)
      .filter(({ run }) => run.runId === runId);
  return {
    ...{ api, person, stranger, gateway, workflow, started },
    user: settling(ingressUser(person, api.url), started),
    definition: await workflow('takes-webhooks', { required: ['body'] }),
    inputOf: (runId) => {
      const [first] = started(runId);
      return first !== undefined && 'json' in first.input ? first.input.json : undefined;
    },
  };
}
