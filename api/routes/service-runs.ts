import { z } from 'zod';
import { eventStreamType, route, type Route } from '../http/route.js';
import { noWorkspace } from '../services/acting-workspace.js';
import { lastEventId, lastSeen, readSeq } from './run-streams.js';
import {
  StreamingWorkflowEvent,
  WorkflowRunDetail,
  WorkflowRunListResponse,
  WorkflowRunRequestBody,
  WorkflowRunResponse,
} from './service-run-schemas.js';

const common = { tag: 'workflow runs', auth: 'tenant' } as const;
const reading = { ...common, method: 'GET', scope: ['conversations:read', 'runs:read'] } as const;
const writing = { ...common, method: 'POST', scope: ['conversations:write', 'runs:write'] } as const;
const at = '/api/v1/workflows' as const;
const audit = (action: string) => ({ action: `workflow.${action}`, entity: 'run', snapshot: false }) as const;

const unknownKey = { ...noWorkspace, 404: 'No workflow has this key here.' };
const unknownRun = { ...noWorkspace, 404: 'No such workflow run here.' };

const starts: readonly Route[] = [
  route({
    ...writing,
    id: 'workflowRuns.run',
    path: `${at}/:slug/run`,
    summary: 'Run a staged workflow and wait for its end, five minutes at most; it goes on should the caller leave',
    audit: audit('run'),
    idempotent: true,
    body: WorkflowRunRequestBody,
    reply: WorkflowRunResponse,
    errors: {
      ...unknownKey,
      409: 'The run was cancelled meanwhile.',
      413: 'The message is too large.',
      504: 'It has not ended in time; `workflow_run_id` says which run to read.',
    },
    handle: ({ actor, params, body, seed }, { stagedRuns }) => stagedRuns.run({ actor, key: params.slug, body, seed }),
  }),
  route({
    ...writing,
    id: 'workflowRuns.runStream',
    path: `${at}/:slug/run-stream`,
    summary: 'Run a staged workflow and be told of it as it goes; come back to the same run by its own stream',
    audit: audit('run'),
    body: WorkflowRunRequestBody,
    produces: eventStreamType,
    reply: StreamingWorkflowEvent,
    errors: { ...unknownKey, 413: 'The message is too large.' },
    handle: ({ actor, params, body, seed }, { stagedRuns }) =>
      stagedRuns.runStream({ actor, key: params.slug, body, seed }),
  }),
];

const reads: readonly Route[] = [
  route({
    ...reading,
    id: 'workflowRuns.list',
    path: `${at}/runs`,
    summary: 'Runs of staged workflows, the newest first',
    query: z.object({
      workflow_key: z.string().max(200).optional(),
      run_status: z.string().max(50).optional().meta({ description: 'running, succeeded, failed or cancelled' }),
      started_before: z.string().max(50).optional().meta({ description: 'At or before this time' }),
      started_after: z.string().max(50).optional().meta({ description: 'At or after this time' }),
      conversation_id: z.string().max(200).optional(),
      cursor: z.string().max(1_000).optional().meta({ description: 'next_cursor of the page before' }),
      limit: z.coerce.number().int().min(1).max(100).default(20),
    }),
    reply: WorkflowRunListResponse,
    errors: { ...noWorkspace, 400: 'A date, the status or the cursor cannot be read.' },
    handle: ({ actor, query }, { stagedRuns }) => stagedRuns.list(actor, query),
  }),
  route({
    ...reading,
    id: 'workflowRuns.get',
    path: `${at}/runs/:run_id`,
    summary: 'A run with the steps that ran',
    reply: WorkflowRunDetail,
    errors: unknownRun,
    handle: ({ actor, params }, { stagedRuns }) => stagedRuns.get(actor, params.run_id),
  }),
  route({
    ...reading,
    id: 'workflowRuns.stream',
    path: `${at}/runs/:run_id/stream`,
    summary: 'The stream of a run, from its first event or from behind Last-Event-ID, without a gap or a double',
    query: z.object({ last_event_id: lastSeen }),
    produces: eventStreamType,
    reply: StreamingWorkflowEvent,
    errors: unknownRun,
    handle: ({ actor, params, query, headers }, { stagedRuns }) =>
      stagedRuns.stream(actor, params.run_id, readSeq(lastEventId(headers, query.last_event_id))),
  }),
];

const stops: readonly Route[] = [
  route({
    ...writing,
    id: 'workflowRuns.cancel',
    path: `${at}/runs/:run_id/cancel`,
    summary: 'Cancel a run: no further step begins',
    audit: audit('cancel'),
    idempotent: true,
    status: 202,
    reply: z.object({ success: z.boolean() }),
    errors: { ...unknownRun, 409: 'Workflow run is not active' },
    handle: async ({ actor, params, seed }, { stagedRuns }) => {
      await stagedRuns.cancel({ actor, runId: params.run_id, seed });
      return { success: true };
    },
  }),
];

export const serviceRunRoutes: readonly Route[] = [...starts, ...reads, ...stops];
