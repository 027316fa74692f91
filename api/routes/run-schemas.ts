import { z } from 'zod';
import { JsonValue, Time } from '../http/schemas.js';
import { runStatuses, stepStatuses } from '../services/run-view.js';

/** Runs as the API describes them. */

export const listOf = <T extends readonly string[]>(words: T) =>
  z
    .string()
    .transform((text) => text.split(',').map((word) => word.trim()))
    .pipe(z.array(z.enum(words)).min(1))
    .meta({ description: `One of ${words.join(', ')}, or several with commas` });

export const Cost = z
  .object({ usd: z.number(), input_tokens: z.number(), output_tokens: z.number() })
  .meta({ id: 'Cost', description: 'US dollars as configured for the models; zero where no price is known' });

export const NodeError = z
  .object({ type: z.string(), message: z.string(), node_id: z.string().optional() })
  .meta({ id: 'NodeError' });

export const Origin = z
  .object({ kind: z.enum(['continue', 'replay']), run_id: z.string(), from: z.string().optional() })
  .meta({ id: 'RunOrigin', description: 'The run it continues or replays' });

export const RunItem = z
  .object({
    id: z.string(),
    definition_id: z.string().nullable(),
    definition_kind: z.string(),
    definition_name: z.string().nullable(),
    version: z.number().int().nullable(),
    version_id: z.string().nullable(),
    status: z.enum(runStatuses),
    trigger: z.string(),
    tags: z.array(z.string()),
    priority: z.number().int(),
    error: NodeError.nullable(),
    created_at: Time,
    started_at: Time.nullable(),
    ended_at: Time.nullable(),
    duration_ms: z.number().nullable(),
    cost: Cost,
    parent_run_id: z.string().nullable(),
    origin: Origin.nullable(),
    event_seq: z.number().int().meta({ description: 'Events of a stream up to this seq are in this answer already' }),
  })
  .meta({ id: 'RunItem' });

export const StepItem = z
  .object({
    key: z.string(),
    node_id: z.string(),
    kind: z.string(),
    label: z.string(),
    scope: z.string().meta({ description: 'The item or round of a map or loop it belongs to' }),
    visit: z.number().int(),
    seq: z.number().int(),
    attempt: z.number().int(),
    status: z.enum(stepStatuses),
    error: NodeError.nullable(),
    started_at: Time,
    ended_at: Time.nullable(),
    duration_ms: z.number().nullable(),
    cost: Cost.nullable(),
    decided_by: z.string().nullable(),
    port: z.string().nullable(),
    taken: z.string().nullable(),
  })
  .meta({ id: 'RunStepItem' });

export const LargeOrJson = JsonValue.meta({ description: 'JSON; a large value is `{$ref, bytes, preview}`' });

export const Step = StepItem.extend({ input: LargeOrJson, output: LargeOrJson }).meta({ id: 'RunStep' });

export const Wait = z
  .object({
    token: z.string(),
    kind: z.enum(['decision', 'message', 'event', 'until', 'parked']),
    node_id: z.string(),
    prompt: z.string(),
    form: JsonValue.nullable(),
    audience: z.array(z.string()).nullable(),
    expires_at: Time.nullable(),
    context: JsonValue,
    shown_hash: z.string().nullable(),
    quorum: z.number().int(),
    votes: z.array(
      z.object({
        by: z.string(),
        decision: z.enum(['approve', 'reject']),
        note: z.string().nullable(),
        at: Time,
      }),
    ),
  })
  .meta({ id: 'RunWait' });

export const Run = RunItem.extend({
  input: LargeOrJson,
  output: LargeOrJson,
  response: LargeOrJson,
  cancel_requested_at: Time.nullable(),
  stopping: z.array(StepItem),
  children: z.array(z.object({ run_id: z.string(), node_id: z.string().nullable(), status: z.enum(runStatuses) })),
  steps: z.array(Step).meta({ description: 'The newest 200, in order' }),
  steps_total: z.number().int(),
  waits: z.array(Wait).meta({ description: 'Those that are open' }),
}).meta({ id: 'Run' });

export const NodeSummary = z
  .object({
    node_id: z.string(),
    kind: z.string(),
    label: z.string(),
    visits: z.number().int(),
    by_status: z.partialRecord(z.enum(stepStatuses), z.number().int()),
    attempts: z.number().int(),
    total_ms: z.number(),
    avg_ms: z.number().nullable(),
    cost: Cost,
    first_at: Time,
    last_at: Time,
  })
  .meta({ id: 'RunNodeSummary' });

export const Explanation = z
  .object({
    sentence: z.string(),
    key: z.string().meta({ description: 'A stable word for the sentence, for translation' }),
    params: z.record(z.string(), JsonValue).meta({ description: 'What the sentence fills in' }),
    evidence: z.array(z.object({ source: z.string(), fact: z.string(), at: Time.nullable() })),
    waiting_for: z.record(z.string(), JsonValue).nullable(),
    action: z
      .object({ method: z.string(), path: z.string(), body: JsonValue.optional() })
      .nullable()
      .meta({ description: 'The call that moves it; null where none does' }),
  })
  .meta({ id: 'RunExplanation' });

export const StreamData = z
  .object({ run_id: z.string().optional(), seq: z.number().int().optional() })
  .catchall(JsonValue)
  .meta({ id: 'RunStreamData', description: 'What the event says, with the run, its seq there and the time' });

export const Moment = z.union([z.iso.datetime({ offset: true }), z.iso.date()]);
