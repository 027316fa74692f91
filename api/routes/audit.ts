import { z } from 'zod';
import { Download, route, type Route } from '../http/route.js';
import { JsonValue, Page, pageOf, Time } from '../http/schemas.js';

const AuditEvent = z
  .object({
    id: z.string(),
    seq: z.number().int().meta({ description: 'Place in the chain of the workspace, without a gap from 1' }),
    actor: z.string(),
    actor_type: z.string(),
    actor_id: z.string(),
    action: z.string(),
    entity_type: z.string(),
    entity_id: z.string(),
    ip: z.string().nullable(),
    before: JsonValue,
    after: JsonValue,
    metadata: z.record(z.string(), z.unknown()),
    request_id: z.string().nullable(),
    hash: z.string().nullable().meta({ description: 'Covers the entry and the hash before it; null for old entries' }),
    created_at: Time,
  })
  .meta({ id: 'AuditEvent' });

const moment = (description: string) =>
  z
    .string()
    .max(40)
    .transform((text, context) => {
      const at = new Date(text);
      if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(at.getTime())) return at;
      context.addIssue('must be a time such as 2026-01-31T09:00:00Z');
      return z.NEVER;
    })
    .optional()
    .meta({ description, type: 'string', format: 'date-time' });

const filter = {
  action: z.string().max(100).optional(),
  entity_type: z.string().max(100).optional(),
  entity_id: z.string().max(200).optional(),
  actor_id: z.string().max(200).optional(),
  since: moment('From this time on'),
  until: moment('Before this time'),
};

const common = { method: 'GET', tag: 'audit', auth: 'member', can: 'audit.read' } as const;
const types = { csv: 'text/csv; charset=utf-8', jsonl: 'application/x-ndjson' } as const;

export const auditRoutes: readonly Route[] = [
  route({
    ...common,
    id: 'audit.list',
    path: '/v1/audit',
    summary: 'What was done in the workspace, newest first',
    query: Page.extend(filter),
    reply: pageOf(AuditEvent),
    handle: ({ actor, query }, { audit }) => audit.list(actor.workspaceId, query),
  }),
  route({
    ...common,
    id: 'audit.export',
    path: '/v1/audit/export',
    summary: 'The whole audit log of the workspace as a file, oldest first',
    query: z.object({ format: z.enum(['csv', 'jsonl']).default('csv'), ...filter }),
    produces: [types.csv, types.jsonl],
    reply: z.string(),
    handle: ({ actor, query: { format, ...asked } }, { audit }) => {
      const filename = `audit-${actor.workspaceId}.${format}`;
      const pieces = () => audit.export(actor.workspaceId, asked, format);
      return Promise.resolve(new Download({ type: types[format], filename, pieces }));
    },
  }),
];
