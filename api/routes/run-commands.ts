import { z } from 'zod';
import { INPUT_LIMIT_BYTES } from '../../workflows/definition/values.js';
import { Reply, route, type Route } from '../http/route.js';
import { JsonValue, Time } from '../http/schemas.js';
import { runStatuses } from '../services/run-view.js';
import { Run } from './run-schemas.js';

/** Room for the largest input inside `{"input": ...}`, escapes included. */
const BODY_LIMIT = 2 * INPUT_LIMIT_BYTES + 4_096;

export const VersionRef = z
  .union([z.number().int().min(1), z.string().trim().min(1).max(100)])
  .meta({ description: 'An id, a number, or `draft`: the draft as it is now, published or not' });

const Commanded = z.object({ id: z.string(), status: z.enum(runStatuses) }).meta({ id: 'RunCommanded' });
const Reason = z
  .object({ reason: z.string().max(2_000).optional() })
  .prefault({})
  .meta({ id: 'RunStopReason' });
const Config = z.record(z.string(), JsonValue).meta({ description: "Merged over the node's config" });

const Accepted = z
  .object({
    id: z.string(),
    status: z.enum(runStatuses),
    definition_id: z.string(),
    definition_kind: z.string(),
    version: z.number().int().nullable(),
    version_id: z.string(),
    priority: z.number().int(),
    tags: z.array(z.string()),
  })
  .meta({ id: 'RunAccepted' });

const NewRun = z
  .strictObject({
    definition: z.string().trim().min(1).max(200).meta({ description: 'Id, or a slug no other definition has' }),
    version: VersionRef.optional().meta({ description: 'An id, a number or `draft`; the live version without it' }),
    input: JsonValue.default(null),
    wait: z
      .number()
      .min(0)
      .max(60)
      .default(0)
      .meta({ description: 'Seconds to wait for its end, or for the answer of a `respond` node' }),
    priority: z.number().int().min(1).max(5).optional().meta({ description: '1 goes first; 3 without it' }),
    tags: z.array(z.string().trim().min(1).max(100)).max(20).optional(),
  })
  .meta({ id: 'NewRun', example: { definition: 'refund-desk', input: { text: 'Order 1042' }, wait: 5 } });

const WaitAnswer = z
  .strictObject({
    decision: z.enum(['approve', 'reject']).optional().meta({ description: 'Required by a decision' }),
    data: JsonValue.optional().meta({
      description: 'What the form asks for; the message, where the run waits for one',
    }),
    note: z.string().max(5_000).optional(),
    shown_hash: z.string().max(200).optional().meta({ description: 'Refused when what is shown is another by now' }),
  })
  .meta({ id: 'RunWaitAnswer', example: { decision: 'approve', note: 'fine by me' } });

const DecidedWait = z
  .object({
    status: z.enum(runStatuses).meta({ description: "The run's" }),
    wait: z.object({
      token: z.string(),
      kind: z.string(),
      node_id: z.string(),
      status: z.enum(['pending', 'approved', 'denied', 'resolved', 'expired', 'cancelled']),
      quorum: z.number().int(),
      rejections: z.number().int(),
      votes: z.array(
        z.object({ by: z.string(), decision: z.enum(['approve', 'reject']), note: z.string().nullable(), at: Time }),
      ),
      decided_by: z.string().nullable(),
    }),
  })
  .meta({ id: 'RunWaitDecided' });

const RetryNode = z
  .strictObject({ node_id: z.string().min(1).max(200), patch: Config.optional() })
  .meta({ id: 'RunRetry', example: { node_id: 'charge', patch: { url: 'https://example.com/charge' } } });

const ContinueRun = z
  .strictObject({
    from: z
      .string()
      .min(1)
      .max(1_000)
      .optional()
      .meta({ description: "A step's key or a node's id; the failed step without it" }),
    version: VersionRef.optional().meta({
      description: "An id, a number or `draft`; the run's own version without it",
    }),
    patch: z.strictObject({ input: JsonValue.optional(), nodes: z.record(z.string(), Config).optional() }).default({}),
  })
  .prefault({})
  .meta({ id: 'RunContinue' });

const writing = { method: 'POST', tag: 'runs', auth: 'member', can: 'run.write', idempotent: true } as const;
const at = '/v1/runs/:runId' as const;
const audit = (action: string) => ({ action: `run.${action}`, entity: 'run' });
const ended = { 404: 'No such run here.', 409: 'The run has ended.', 503: 'The run did not answer in time.' };

const starts: readonly Route[] = [
  route({
    ...writing,
    id: 'runs.start',
    path: '/v1/runs',
    summary: 'Run a definition of any kind; 200 with its output when it ends within `wait`',
    audit: audit('start'),
    bodyLimit: BODY_LIMIT,
    body: NewRun,
    status: 202,
    reply: z.union([Run, Accepted]),
    errors: {
      200: 'It ended, or a respond node answered, within `wait`: the whole run.',
      404: 'No such definition here.',
      409: 'Nothing is published, or several definitions have that slug.',
      413: 'The input is larger than 2 MiB.',
    },
    handle: async ({ actor, body: { wait, ...body }, seed }, { runStarts }) => {
      const { definition, input, version, priority, tags } = body;
      const request = { actor, definition, version, input, priority, tags, waitSeconds: wait, seed };
      const started = await runStarts.start(request);
      return new Reply(started.run, { status: started.answered ? 200 : 202 });
    },
  }),
  route({
    ...writing,
    id: 'runs.replay',
    path: `${at}/replay`,
    summary: 'Run the same version anew, on the same input or another',
    audit: audit('replay'),
    bodyLimit: BODY_LIMIT,
    body: z.strictObject({ input: JsonValue.optional() }).prefault({}).meta({ id: 'RunReplay' }),
    status: 202,
    reply: Commanded,
    errors: { 404: 'No such run here.' },
    handle: ({ actor, params, body, seed }, { runCommands }) =>
      runCommands.replay({ actor, runId: params.runId, input: body.input, seed }),
  }),
  route({
    ...writing,
    id: 'runs.continue',
    path: `${at}/continue`,
    summary: 'Go on from a step of a run that has ended, on its version or a newer one; results before it are reused',
    audit: audit('continue'),
    bodyLimit: BODY_LIMIT,
    body: ContinueRun,
    status: 202,
    reply: Commanded.extend({ reused: z.number().int() }).meta({ id: 'RunContinued' }),
    errors: { 404: 'No such run here.', 409: 'The run has not ended.' },
    handle: ({ actor, params, body: { from, version, patch }, seed }, { continueRuns }) =>
      continueRuns.continue({ actor, runId: params.runId, from, version, patch, seed }),
  }),
];

const moves: readonly Route[] = [
  route({
    ...writing,
    id: 'runs.decide',
    path: `${at}/waits/:token`,
    summary: 'Answer what a run waits for: a decision, a message, whether an effect happened',
    audit: { action: 'run.decide', entity: 'wait' },
    bodyLimit: BODY_LIMIT,
    body: WaitAnswer,
    reply: DecidedWait,
    errors: {
      404: 'No such run or wait here.',
      409: 'Somebody or a timer was first, or what is shown has changed.',
      503: 'The run did not answer in time.',
    },
    handle: ({ actor, params, body: { decision, data, note, shown_hash: shownHash }, seed }, { runDecisions }) =>
      runDecisions.decide({ actor, ...params, decision, data, note: note ?? null, shownHash, seed }),
  }),
  route({
    ...writing,
    id: 'runs.pause',
    path: `${at}/pause`,
    summary: 'Start nothing new in a run; what is under way goes on',
    audit: audit('pause'),
    reply: Commanded,
    errors: { ...ended, 409: 'The run is paused already, or has ended.' },
    handle: ({ actor, params, seed }, { runCommands }) =>
      runCommands.pause({ actor, runId: params.runId, paused: true, seed }),
  }),
  route({
    ...writing,
    id: 'runs.unpause',
    path: `${at}/unpause`,
    summary: 'Let a paused run go on',
    audit: audit('unpause'),
    reply: Commanded,
    errors: { ...ended, 409: 'The run is not paused, or has ended.' },
    handle: ({ actor, params, seed }, { runCommands }) =>
      runCommands.pause({ actor, runId: params.runId, paused: false, seed }),
  }),
  route({
    ...writing,
    id: 'runs.retry',
    path: `${at}/retry`,
    summary: 'Try a parked node again, as it is or with another configuration',
    audit: audit('retry'),
    body: RetryNode,
    reply: Commanded,
    errors: { ...ended, 409: 'The node is not parked, or the run has ended.' },
    handle: ({ actor, params, body, seed }, { runCommands }) =>
      runCommands.retry({ actor, runId: params.runId, nodeId: body.node_id, patch: body.patch ?? null, seed }),
  }),
];

const stops: readonly Route[] = [
  route({
    ...writing,
    id: 'runs.cancel',
    path: `${at}/cancel`,
    summary: 'Ask a run, with its subflows and calls under way, to stop and undo what can be undone',
    audit: audit('cancel'),
    body: Reason,
    status: 202,
    reply: Commanded,
    errors: { 404: 'No such run here.', 409: 'The run has ended in another way.' },
    handle: ({ actor, params, body, seed }, { runStops }) =>
      runStops.cancel({ actor, runId: params.runId, reason: body.reason ?? null, seed }),
  }),
  route({
    ...writing,
    can: 'run.admin',
    id: 'runs.terminate',
    path: `${at}/terminate`,
    summary: 'Stop a run on the spot, with nothing undone; its subflows are cancelled',
    audit: audit('terminate'),
    body: Reason,
    reply: Commanded,
    errors: ended,
    handle: ({ actor, params, body, seed }, { runStops }) =>
      runStops.terminate({ actor, runId: params.runId, reason: body.reason ?? null, seed }),
  }),
];

export const runCommandRoutes: readonly Route[] = [...starts, ...moves, ...stops];
