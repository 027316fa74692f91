import { z } from 'zod';
import { route, type Route } from '../http/route.js';
import { Time } from '../http/schemas.js';
import { bulkActions } from '../services/bulk.js';
import { runStatuses } from '../services/run-view.js';
import { VersionRef } from './run-commands.js';
import { Moment } from './run-schemas.js';

const filter = {
  definition: z.string().max(200).optional().meta({ description: 'Id or slug' }),
  tag: z.string().max(200).optional(),
  fingerprint: z.string().max(200).optional().meta({ description: 'Of GET /v1/runs/failures' }),
  since: Moment.optional().meta({ description: 'Of their creation: from' }),
  until: Moment.optional().meta({ description: 'Of their creation: before' }),
};

const Status = z.enum(runStatuses);

const Bulk = z
  .strictObject({
    filter: z
      .strictObject({
        ...filter,
        ids: z.array(z.string().max(100)).min(1).max(500).optional(),
        status: z.union([Status.transform((one) => [one]), z.array(Status).min(1)]).optional(),
      })
      .meta({ description: 'All of it must hold. Without ids or status: the runs the action can be for' }),
    action: z.enum(bulkActions),
    version: VersionRef.optional().meta({ description: 'Of `continue`: an id, a number or `draft`' }),
    limit: z.number().int().min(1).max(500).default(100),
    cursor: z.string().max(200).optional().meta({ description: 'next_cursor of the answer before' }),
  })
  .meta({ id: 'RunBulk', example: { filter: { fingerprint: 'a fingerprint' }, action: 'continue' } });

const BulkResult = z
  .object({
    matched: z.number().int().meta({ description: 'Runs this call took up' }),
    done: z.number().int(),
    failed: z.array(z.object({ id: z.string(), error: z.string() })),
    next_cursor: z.string().optional().meta({ description: 'There are more; the same call takes them up with it' }),
  })
  .meta({ id: 'RunBulkResult' });

const FailureGroup = z
  .object({
    fingerprint: z.string(),
    count: z.number().int(),
    definition_id: z.string().nullable(),
    node_id: z.string().nullable(),
    type: z.string().nullable(),
    message: z.string().nullable().meta({ description: 'Of the newest' }),
    first_at: Time,
    last_at: Time,
    run_ids: z.array(z.string()).meta({ description: 'The newest five' }),
  })
  .meta({ id: 'RunFailureGroup' });

export const runBulkRoutes: readonly Route[] = [
  route({
    id: 'runs.bulk',
    method: 'POST',
    path: '/v1/runs/bulk',
    tag: 'runs',
    summary: 'One action on many runs, by what they have in common',
    auth: 'member',
    can: 'run.admin',
    audit: { action: 'run.bulk', entity: 'run' },
    idempotent: true,
    body: Bulk,
    reply: BulkResult,
    handle: ({ actor, body, seed }, { bulkRuns }) => {
      const { filter: selection, action, version, limit, cursor } = body;
      return bulkRuns.apply({ actor, filter: selection, action, version, limit, cursor, seed });
    },
  }),
  route({
    id: 'runs.failures',
    method: 'GET',
    path: '/v1/runs/failures',
    tag: 'runs',
    summary: 'Failed runs by what they failed of, the newest first',
    auth: 'member',
    can: 'run.read',
    query: z.object({ ...filter, limit: z.coerce.number().int().min(1).max(200).default(50) }),
    reply: z.object({ items: z.array(FailureGroup) }),
    handle: async ({ actor, query: { limit, ...selection } }, { bulkRuns }) => ({
      items: await bulkRuns.failures(actor.workspaceId, { selection, limit }),
    }),
  }),
];
