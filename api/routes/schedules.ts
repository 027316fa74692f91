import { z } from 'zod';
import { route, type Route } from '../http/route.js';
import { Time } from '../http/schemas.js';

const Overlap = z.enum(['skip', 'allow']);

/** `cron_expr` and `expression` are one field under two names. */
const ScheduleBody = z
  .object({
    name: z.string().max(200).optional(),
    cron_expr: z.string().max(200).optional(),
    expression: z.string().max(200).optional(),
    timezone: z.string().max(64).optional(),
    prompt: z.union([z.string(), z.object({ chain: z.string(), input: z.json().optional() })]).optional(),
    chain: z.string().optional(),
    input: z.json().optional(),
    enabled: z.boolean().optional(),
    overlap: Overlap.optional(),
  })
  .meta({ id: 'ScheduleBody' });

const Schedule = z
  .object({
    id: z.string(),
    workspace_id: z.string(),
    name: z.string(),
    cron_expr: z.string(),
    expression: z.string(),
    timezone: z.string(),
    prompt: z.string(),
    chain: z.string().nullable(),
    enabled: z.boolean(),
    overlap: Overlap,
    source: z.string(),
    next_run_at: Time.nullable(),
    last_run_at: Time.nullable(),
    run_count: z.number().int(),
    last_status: z.enum(['success', 'error', 'skipped', 'stale']).nullable(),
    last_error: z.string().nullable(),
    created_at: Time,
    updated_at: Time,
  })
  .meta({ id: 'Schedule' });

const ScheduleHistoryEntry = z
  .object({
    timestamp: Time,
    duration_ms: z.number().int().optional(),
    status: z.enum(['success', 'error', 'skipped', 'running']),
    error_detail: z.string().nullable(),
    request: z.object({
      schedule_id: z.string(),
      schedule_name: z.string(),
      cron_expr: z.string(),
      prompt: z.string(),
      scheduled_at: Time.nullable(),
    }),
    run_id: z.string().nullable(),
  })
  .meta({ id: 'ScheduleHistoryEntry' });

const tag = 'schedules';
const NO_SCHEDULE = 'no such schedule in this workspace';
const OF_A_CHAIN = 'the schedule belongs to a chain';
const WRONG_FIELD = 'a missing or wrong field; details name it';

export const scheduleRoutes: readonly Route[] = [
  route({
    id: 'schedules.list',
    method: 'GET',
    path: '/workspaces/:id/schedules',
    summary: 'The schedules of a workspace, oldest first',
    tag,
    auth: 'workspace',
    can: 'schedule.read',
    reply: z.array(Schedule),
    handle: async ({ params }, { schedules }) => [...(await schedules.list(params.id))],
  }),
  route({
    id: 'schedules.create',
    method: 'POST',
    path: '/workspaces/:id/schedules',
    summary: 'Runs a prompt or a chain at the times of a cron expression',
    tag,
    auth: 'workspace',
    can: 'schedule.write',
    idempotent: true,
    invalidStatus: 400,
    errors: { 400: WRONG_FIELD },
    body: ScheduleBody,
    reply: z.object({ id: z.string(), status: z.literal('created'), next_run_at: Time.nullable() }),
    status: 201,
    handle: ({ params, body, seed }, { schedules }) => schedules.create({ workspaceId: params.id, seed, input: body }),
  }),
  route({
    id: 'schedules.update',
    method: 'PATCH',
    path: '/workspaces/:id/schedules/:scheduleId',
    summary: 'Changes any part of a schedule',
    tag,
    auth: 'workspace',
    can: 'schedule.write',
    invalidStatus: 400,
    errors: { 400: WRONG_FIELD, 404: NO_SCHEDULE, 409: OF_A_CHAIN },
    body: ScheduleBody,
    reply: z.object({ status: z.literal('updated') }),
    handle: ({ params, body }, { schedules }) =>
      schedules.update({ workspaceId: params.id, scheduleId: params.scheduleId, input: body }),
  }),
  route({
    id: 'schedules.delete',
    method: 'DELETE',
    path: '/workspaces/:id/schedules/:scheduleId',
    summary: 'Deletes a schedule; its runs stay',
    tag,
    auth: 'workspace',
    can: 'schedule.write',
    errors: { 404: NO_SCHEDULE, 409: OF_A_CHAIN },
    reply: z.object({ status: z.literal('deleted') }),
    handle: ({ params }, { schedules }) => schedules.remove({ workspaceId: params.id, scheduleId: params.scheduleId }),
  }),
  route({
    id: 'schedules.run',
    method: 'POST',
    path: '/workspaces/:id/schedules/:scheduleId/run',
    summary: 'Starts a run of the schedule now, even of a disabled one',
    tag,
    auth: 'workspace',
    can: 'schedule.write',
    idempotent: true,
    audit: { entity: 'schedules', snapshot: false },
    errors: { 404: NO_SCHEDULE, 409: 'its chain cannot run now' },
    reply: z.object({
      status: z.literal('fired'),
      workspace_id: z.string(),
      prompt: z.string(),
      run_id: z.string(),
    }),
    handle: ({ params, seed, actor }, { schedules }) =>
      schedules.fire({
        workspaceId: params.id,
        scheduleId: params.scheduleId,
        seed,
        actor: `${actor.type}:${actor.id}`,
      }),
  }),
  route({
    id: 'schedules.history',
    method: 'GET',
    path: '/workspaces/:id/schedules/:scheduleId/history',
    summary: 'The last twenty runs and skipped times of a schedule, newest first',
    tag,
    auth: 'workspace',
    can: 'schedule.read',
    reply: z.array(ScheduleHistoryEntry),
    handle: async ({ params }, { schedules }) => [
      ...(await schedules.history({ workspaceId: params.id, scheduleId: params.scheduleId })),
    ],
  }),
];
