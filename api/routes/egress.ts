import { z } from 'zod';
import { route, type Route } from '../http/route.js';

const Entry = z.string().trim().min(1, 'must not be empty').max(260);
const Entries = z.array(Entry).max(200, 'at most 200 entries; a CIDR or *.example.com covers many');

const EgressLists = z
  .object({
    allow: Entries.meta({
      description: 'Where it lists anything, nothing else may be called. It opens no private address.',
    }),
    deny: Entries.meta({ description: 'Never called, whatever else says.' }),
  })
  .meta({ id: 'EgressLists' });

const common = {
  path: '/v1/workspaces/egress',
  tag: 'workspaces',
  auth: 'tenant',
  role: 'admin',
  reply: EgressLists,
  errors: { 404: 'no such organisation' },
} as const;

/** What the steps of an organisation's runs may call. */
export const egressRoutes: readonly Route[] = [
  route({
    ...common,
    id: 'egress.get',
    method: 'GET',
    summary: 'What outgoing calls of the organisation may reach',
    handle: ({ actor }, { egressLists }) => egressLists.get(actor.tenantId),
  }),
  route({
    ...common,
    id: 'egress.replace',
    method: 'PUT',
    summary: 'Say what outgoing calls of the organisation may reach; counts within seconds',
    audit: { entity: 'egress' },
    body: z.strictObject({ allow: Entries.default([]), deny: Entries.default([]) }),
    handle: ({ actor, body }, { egressLists }) => egressLists.replace(actor.tenantId, body),
  }),
];
