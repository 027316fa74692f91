import { z } from 'zod';
import type { Plan } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';
import { Reply, type Frozen } from '../http/route.js';
import { refusal } from '../http/validate.js';
import { JsonValue, Time } from '../http/schemas.js';
import type { Draft as DraftView } from '../services/definitions.js';

/** Shapes that the routes of definitions and of each of their surfaces share. */

export const Problem = z
  .object({
    code: z.string(),
    severity: z.enum(['blocker', 'warning']),
    node_id: z.string().optional(),
    edge_id: z.string().optional(),
    pointer: z.string().meta({ description: 'JSON pointer into the document' }),
    message: z.string(),
  })
  .meta({ id: 'GraphProblem' });

export const Slug = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,79}$/, 'use lower-case letters, digits and hyphens, 80 at most')
  .meta({ example: 'refund-desk' });

export const Folder = z
  .string()
  .max(300)
  .regex(/^([^/]+(\/[^/]+)*)?$/, 'separate folders by single slashes, with none at either end, such as sales/eu')
  .meta({ description: 'Slash-separated path; empty is the top' });

export const LiveRuns = z
  .object({
    version_id: z.string(),
    number: z.number().int().nullable().meta({ description: 'Null: a draft' }),
    runs: z.number().int(),
    sample: z.array(z.string()).meta({ description: 'Ids of a few of them' }),
  })
  .meta({ id: 'LiveRuns' });

export const MoveOutcome = z
  .object({
    run_id: z.string(),
    outcome: z.enum(['moved', 'refused', 'ended', 'no_answer']),
    reasons: z.array(z.string()),
  })
  .meta({ id: 'MoveOutcome' });

export const RunChoice = z
  .union([z.literal('all'), z.array(z.string().max(100)).min(1).max(200)])
  .meta({ description: '`all`, or ids of runs' });

const published = {
  version_id: z.string(),
  version: z.number().int(),
  published_at: Time,
  live_runs: z.array(LiveRuns).meta({ description: 'Open runs by version; they finish on theirs unless moved' }),
};
export const RolledBack = z.object(published).meta({ id: 'RolledBack' });
export const Published = z
  .object({ ...published, warnings: z.array(Problem), moves: z.array(MoveOutcome) })
  .meta({ id: 'Published' });

export const PublishBody = z
  .strictObject({
    note: z.string().max(5_000).optional(),
    move: z.strictObject({ run_ids: RunChoice.default('all') }).optional(),
  })
  .prefault({})
  .meta({ id: 'PublishInput', example: { note: 'Asks for the order number first' } });

export const publishRequest = (body: z.output<typeof PublishBody>, seed: string) => ({
  note: body.note ?? null,
  move: body.move === undefined ? null : { runIds: body.move.run_ids },
  seed,
});

const Difference = z
  .object({
    run_id: z.string(),
    at: z.string().meta({ description: 'The node where the paths part' }),
    kind: z.enum(['other_path', 'missing_input', 'not_recorded', 'fails']),
    recorded: z.string().nullable().meta({ description: 'Where the run went' }),
    candidate: z.string().nullable().meta({ description: 'Where the candidate goes' }),
    message: z.string(),
  })
  .meta({ id: 'ReplayDifference' });

export const Validation = z
  .object({
    ok: z.boolean(),
    blockers: z.array(Problem),
    warnings: z.array(Problem),
    replay: z
      .object({ replayed: z.number().int(), same: z.number().int(), different: z.array(Difference) })
      .optional()
      .meta({ description: 'Ended runs, run again by the draft with their recorded results and no effects' }),
  })
  .meta({ id: 'Validation' });

export const ValidateBody = z
  .strictObject({
    replay: z
      .number()
      .int()
      .min(1)
      .max(200)
      .optional()
      .meta({ description: 'So many of the newest ended runs are replayed' }),
  })
  .prefault({})
  .meta({ id: 'ValidateInput', example: { replay: 50 } });

/** Shown as it is stored: the form every document compiles to. */
export const AnyPlan = z.custom<Plan | null>(() => true).meta({ description: 'The compiled plan' });

const version = {
  id: z.string(),
  version_id: z.string(),
  number: z.number().int().nullable().meta({ description: 'Null for one that only ran as a draft' }),
  version: z.number().int().nullable(),
  is_live: z.boolean(),
  published_at: Time.nullable(),
  published_by: z.string().nullable(),
  note: z.string().nullable(),
  hash: z.string(),
  created_at: Time,
};
export const Version = z.object(version).meta({ id: 'Version' });
export const WholeVersion = z.object({ ...version, document: JsonValue, plan: AnyPlan }).meta({ id: 'WholeVersion' });

/** What the author's draft was based on: `If-Match: "7"`, or `revision` in the body; null when they do not say. */
export function expectedRevision(header: string | undefined, inBody?: number): number | null {
  if (header === undefined || header.trim() === '*') return inBody ?? null;
  const revision = /^\s*(?:W\/)?"?(\d{1,9})"?\s*$/.exec(header)?.[1];
  if (revision !== undefined) return Number(revision);
  const message = 'write the revision the draft had as If-Match: "7"; its ETag says it';
  throw refusal(422, [{ field: 'header.if-match', loc: ['header', 'if-match'], message }]);
}

export const etag = (revision: number): { readonly etag: string } => ({ etag: `"${revision}"` });

export const Draft = z.object({ document: JsonValue, revision: z.number().int() }).meta({ id: 'Draft' });

/** A document to look at instead of the draft. */
export const OptionalDocument = z.strictObject({ document: JsonValue.optional() }).prefault({});

/** A draft with its revision as ETag. */
export const taggedDraft = (draft: DraftView): Reply<Frozen<z.input<typeof Draft>>> =>
  new Reply(draft, { headers: etag(draft.revision) });

/** An object of JSON by name. */
export const JsonByName = z.record(
  z.string().min(1).max(100),
  z.custom<Json>((value) => value !== undefined),
);
