import { expect } from '@jest/globals';
import type { Person } from './api.js';
import type { Answered } from './http.js';
import { until } from './until.js';

export const ended: readonly string[] = ['completed', 'failed', 'cancelled'];

export interface ChainUser {
  readonly create: (slug: string, document: object) => Promise<void>;
  /** Answers the run's id. */
  readonly start: (slug: string, input: unknown, headers?: Record<string, string>) => Promise<string>;
  /** The run once it has one of these statuses. */
  readonly reached: (slug: string, runId: string, statuses: readonly string[]) => Promise<Answered>;
}

/** What tests do with chains again and again, as one person. */
export const chainUser = (person: Person): ChainUser => ({
  create: async (slug, document) => {
    const made = await person.call('POST', '/v1/workflow-chains', { body: { name: slug, slug, ...document } });
    expect({ status: made.status, text: made.status === 201 ? '' : made.text }).toEqual({ status: 201, text: '' });
  },
  start: async (slug, input, headers = {}) => {
    const accepted = await person.call('POST', `/v1/workflow-chains/${slug}/run`, { body: { input }, headers });
    expect(accepted.status).toBe(202);
    return String(accepted.body['run_id']);
  },
  reached: (slug, runId, statuses) =>
    until(
      () => person.call('GET', `/v1/workflow-chains/${slug}/runs/${runId}`),
      ({ body }) => statuses.includes(String(body['status'])),
    ),
});
