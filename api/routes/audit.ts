import { z } from 'zod';
import { route, type Route } from '../http/route.js';
import { Page, pageOf, Time } from '../http/schemas.js';

const AuditEvent = z
  .object({
    id: z.string(),
    actor: z.string(),
    actor_type: z.string(),
    actor_id: z.string(),
    action: z.string(),
    entity_type: z.string(),
    entity_id: z.string(),
    metadata: z.record(z.string(), z.unknown()),
    request_id: z.string().nullable(),
    created_at: Time,
  })
  .meta({ id: 'AuditEvent' });

export const auditRoutes: readonly Route[] = [
  route({
    id: 'audit.list',
    method: 'GET',
    path: '/v1/audit',
    summary: 'What was done in the workspace, newest first',
    tag: 'audit',
    auth: 'member',
    can: 'audit.read',
    query: Page.extend({
      action: z.string().max(100).optional(),
      entity_type: z.string().max(100).optional(),
      entity_id: z.string().max(200).optional(),
    }),
    reply: pageOf(AuditEvent),
    handle: ({ actor, query }, { audit }) => audit.list(actor.workspaceId, query),
  }),
];
