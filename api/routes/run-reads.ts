import { z } from 'zod';
import { Reply, route, type Route } from '../http/route.js';
import { runStatuses, stepStatuses } from '../services/run-view.js';
import { rangeOf } from '../services/stored-values.js';
import { Explanation, listOf, Moment, NodeSummary, Run, RunItem, Step, StepItem } from './run-schemas.js';

const reading = { method: 'GET', tag: 'runs', auth: 'member', can: 'run.read' } as const;
const at = '/v1/runs/:runId' as const;
const unknownRun = { 404: 'No such run here.' };

const listRoutes: readonly Route[] = [
  route({
    ...reading,
    id: 'runs.list',
    path: '/v1/runs',
    summary: 'Runs, newest first',
    query: z.object({
      status: listOf(runStatuses).optional(),
      definition: z.string().max(200).optional().meta({ description: 'Id or slug' }),
      tag: z.string().max(200).optional(),
      parent: z.string().max(100).optional().meta({ description: 'The run whose children are wanted' }),
      since: Moment.optional(),
      until: Moment.optional(),
      q: z.string().trim().min(1).max(200).optional().meta({
        description: 'The start of an id, or part of the name of the definition or of the error',
      }),
      cursor: z.string().max(200).optional(),
      limit: z.coerce.number().int().min(1).max(200).default(50),
    }),
    reply: z.object({ items: z.array(RunItem), next_cursor: z.string().nullable() }),
    handle: ({ actor, query }, { runReads }) => runReads.list(actor.workspaceId, query),
  }),
  route({
    ...reading,
    id: 'runs.get',
    path: at,
    summary: 'One run with its newest steps and what it waits for',
    errors: unknownRun,
    reply: Run,
    handle: ({ actor, params }, { runReads }) => runReads.get({ ...actor, runId: params.runId }),
  }),
  route({
    ...reading,
    id: 'runs.explain',
    path: `${at}/explain`,
    summary: 'Why the run is where it is, and the call that moves it',
    errors: unknownRun,
    reply: Explanation,
    handle: ({ actor, params }, { explain }) => explain.run({ ...actor, runId: params.runId }),
  }),
];

const stepRoutes: readonly Route[] = [
  route({
    ...reading,
    id: 'runs.steps',
    path: `${at}/steps`,
    summary: 'Steps in windows, without their inputs and outputs',
    errors: unknownRun,
    query: z.object({
      after: z.string().max(1_000).optional().meta({ description: '`next_after` of the window before, or a seq' }),
      limit: z.coerce.number().int().min(1).max(1_000).default(200),
      node_id: z.string().max(200).optional(),
      status: listOf(stepStatuses).optional(),
    }),
    reply: z.object({ items: z.array(StepItem), next_after: z.string().nullable() }),
    handle: ({ actor, params, query }, { runReads }) => runReads.steps({ ...actor, runId: params.runId }, query),
  }),
  route({
    ...reading,
    id: 'runs.stepsSummary',
    path: `${at}/steps/summary`,
    summary: 'What each node of a run came to',
    errors: unknownRun,
    reply: z.object({ items: z.array(NodeSummary) }),
    handle: async ({ actor, params }, { runReads }) => ({
      items: await runReads.summary({ ...actor, runId: params.runId }),
    }),
  }),
  route({
    ...reading,
    id: 'runs.step',
    path: `${at}/steps/:key`,
    summary: 'One step, with its input and output',
    errors: { 404: 'No such run or step here.' },
    reply: Step,
    handle: ({ actor, params }, { runReads }) => runReads.step({ ...actor, runId: params.runId }, params.key),
  }),
  route({
    ...reading,
    id: 'values.get',
    path: '/v1/values/:ref',
    summary: 'The JSON text of a large value, whole or a part of its bytes',
    errors: { 206: 'The part that a Range header asked for.', 404: 'No such value here.', 416: 'Beyond its end.' },
    query: z.object({
      offset: z.coerce.number().int().min(0).max(1_000_000_000).default(0),
      length: z.coerce.number().int().min(1).max(1_000_000_000).optional(),
    }),
    produces: 'application/json; charset=utf-8',
    reply: z.instanceof(Buffer),
    handle: async ({ actor, params, query, headers }, { runReads }) => {
      const range = rangeOf(headers.range);
      const part = await runReads.value(actor.workspaceId, params.ref, range ?? query);
      const { bytes, offset, total } = part;
      const accepts = { 'Accept-Ranges': 'bytes', 'X-Value-Bytes': String(total) };
      if (range === undefined) return new Reply(bytes, { headers: accepts });
      const contentRange = `bytes ${offset}-${offset + bytes.length - 1}/${total}`;
      return new Reply(bytes, { status: 206, headers: { ...accepts, 'Content-Range': contentRange } });
    },
  }),
];

export const runReadRoutes: readonly Route[] = [...listRoutes, ...stepRoutes];
