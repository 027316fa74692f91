import { expect } from '@jest/globals';
import type { Provider } from '../../api/services/ingress/schemes/index.js';
import type { Person } from './api.js';
import { send, type Answered } from './http.js';
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
