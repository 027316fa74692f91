import { z } from 'zod';
import { route, type Route } from '../http/route.js';
import { JsonValue } from '../http/schemas.js';
import { JsonByName } from './definition-schemas.js';

const definition = { tag: 'definitions', auth: 'member', can: 'runtime.simulate' } as const;
const one = '/v1/definitions/:definition_id' as const;

const Status = z.enum(['queued', 'running', 'waiting', 'paused', 'completed', 'failed', 'cancelled']);
const Live = z
  .array(z.string().max(300))
  .max(500)
  .default([])
  .meta({ description: 'Ids of nodes that really act; what others would do is only shown' });

const NodeTestBody = z
  .strictObject({
    node_id: z.string().min(1).max(300),
    input: JsonValue.default(null),
    vars: JsonByName.default({}).meta({ description: 'Variables by name' }),
    steps: JsonByName.default({}).meta({ description: 'Results of other nodes by id' }),
    live: Live,
  })
  .meta({ id: 'NodeTest', example: { node_id: 'charge', input: { amount: 12 }, vars: { currency: 'EUR' } } });

const NodeTestResult = z
  .object({
    run_id: z.string(),
    status: Status,
    output: JsonValue,
    error: z.object({ type: z.string(), message: z.string(), node_id: z.string().optional() }).nullable(),
    duration_ms: z.number().nullable(),
    stubbed: z.boolean().meta({ description: 'What it would do was shown, not done' }),
  })
  .meta({ id: 'NodeTestResult' });

export const definitionTestRoutes: readonly Route[] = [
  route({
    ...definition,
    id: 'definitions.testNode',
    method: 'POST',
    path: `${one}/test-node`,
    summary:
      'Run one node of the draft and answer its output within 30 seconds; the rest of the draft may be unfinished',
    idempotent: true,
    audit: { entity: 'run', snapshot: false },
    body: NodeTestBody,
    reply: NodeTestResult,
    errors: { 404: 'The draft has no such node', 422: '`blockers` of the node itself' },
    handle: ({ actor, params, body: { node_id: nodeId, ...body }, seed }, { tests }) =>
      tests.testNode(actor, params.definition_id, { ...body, nodeId, seed }),
  }),
  route({
    ...definition,
    id: 'definitions.testRun',
    method: 'POST',
    path: `${one}/test-run`,
    summary: 'Run the draft with its pinned results; effects are only shown unless their nodes are listed',
    idempotent: true,
    audit: { entity: 'run', snapshot: false },
    body: z
      .strictObject({ input: JsonValue.default(null), live: Live })
      .prefault({})
      .meta({ id: 'TestRun', example: { input: { text: 'hello' } } }),
    status: 202,
    reply: z
      .object({ id: z.string(), run_id: z.string(), status: Status, version_id: z.string() })
      .meta({ id: 'StartedTest' }),
    errors: { 409: 'Only calls run it', 422: '`blockers` keep the draft from running, or the input breaks its schema' },
    handle: ({ actor, params, body, seed }, { tests }) => tests.testRun(actor, params.definition_id, { ...body, seed }),
  }),
];
