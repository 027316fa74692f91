import { createHash } from 'node:crypto';
import { sql, type RawBuilder } from 'kysely';
import type { VisitPlace } from '../workflows/contract/ids.js';
import type { RunRef, Vote, WaitKind } from '../workflows/contract/run.js';
import type { Json } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { heldPart, livingPart } from './flush-parts.js';
import { scoped } from './scoped.js';
import { cleanJson, jsonText } from './values.js';

export interface NewWait extends VisitPlace {
  readonly token: string;
  /** `visitKey`. */
  readonly key: string;
  readonly run: RunRef;
  readonly kind: WaitKind;
  /** What is asked. */
  readonly prompt: string;
  readonly reason?: string | null;
  /** What is shown with it. */
  readonly context: Json;
  /** JSON Schema of the `data` an answer must bring. */
  readonly form?: Json;
  readonly assignee?: string | null;
  readonly audience?: readonly string[] | null;
  readonly quorum?: number;
  readonly rejections?: number;
  readonly forbidOwn?: boolean;
  readonly event?: { readonly name: string; readonly key: string | null };
  readonly options?: Json;
  readonly taskId?: string | null;
  /** Epoch milliseconds. */
  readonly expiresAt: number | null;
}

const ordinary = {
  reason: null,
  form: null,
  assignee: null,
  audience: null,
  quorum: 1,
  rejections: 1,
  forbidOwn: false,
  event: { name: null, key: null },
  options: null,
  taskId: null,
} as const;

/** Adds an open wait to a run that has not ended, unless it is there; answers whether it was added. */
export async function insertWait(db: Database, wait: NewWait): Promise<boolean> {
  const { rows } =
    await sql`with ${heldPart(wait.run)}, ${livingPart}, ${waitPart(wait)} select id from opened`.execute(db);
  return rows.length > 0;
}

/** Part of a write to the read model: adds an open wait to a run that lives, unless it is there. */
export function waitPart(newWait: NewWait): RawBuilder<unknown> {
  const wait = { ...ordinary, ...newWait };
  const { prompt, reason, context, form, options, expiresAt } = wait;
  const row = {
    ...{ id: wait.token, key: wait.key, scope: wait.scope, node_id: wait.nodeId, visit: wait.visit, kind: wait.kind },
    ...{ task_id: wait.taskId, action: cleanText(prompt), reason: reason === null ? null : cleanText(reason) },
    ...{ context: cleanJson(context), options: cleanJson(options), form: form === null ? null : cleanJson(form) },
    ...{ assignee: wait.assignee, audience: wait.audience, quorum: wait.quorum, rejections: wait.rejections },
    ...{ forbid_own: wait.forbidOwn, shown_hash: shownHash({ prompt, context, form }) },
    ...{ event_name: wait.event.name, event_key: wait.event.key },
    expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString(),
  };
  return sql`opened as (
    insert into waits (id, run_id, workspace_id, key, scope, node_id, visit, kind, task_id, action, reason, context,
      options, form, assignee, audience, quorum, rejections, forbid_own, shown_hash, event_name, event_key, expires_at)
    select w.id, living.id, living.run_workspace, w.key, w.scope, w.node_id, w.visit, w.kind, w.task_id, w.action, w.reason,
      w.context, w.options, w.form, w.assignee, w.audience, w.quorum, w.rejections, w.forbid_own, w.shown_hash,
      w.event_name, w.event_key, w.expires_at
    from living, json_to_record(${jsonText(row)}::json) as w(id text, key text, scope text, node_id text, visit int,
      kind text, task_id text, action text, reason text, context jsonb, options jsonb, form jsonb, assignee text,
      audience jsonb, quorum int, rejections int, forbid_own boolean, shown_hash text, event_name text, event_key text,
      expires_at timestamptz)
    on conflict (id) do nothing
    returning id
  )`;
}

// -- reason: a text stays a text
const cleanText = (text: string): string => cleanJson(text) as string;

/** SHA-256 of what people are shown, independent of the order of keys: a decision says which text it was made on. */
export function shownHash(shown: { readonly prompt: string; readonly context: Json; readonly form: Json }): string {
  const { prompt, context, form } = shown;
  return createHash('sha256')
    .update(canonical(cleanJson({ prompt, context, form })))
    .digest('hex');
}

function canonical(json: Json): string {
  if (json === null || typeof json !== 'object') return JSON.stringify(json);
  if (Array.isArray(json)) return `[${json.map((each: Json) => canonical(each)).join(',')}]`;
  const entries = Object.entries(json).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`).join(',')}}`;
}

/** A wait as the API answers it. */
export interface WaitView {
  readonly token: string;
  readonly kind: WaitKind;
  readonly node_id: string;
  readonly prompt: string;
  readonly form: Json;
  readonly audience: readonly string[] | null;
  readonly expires_at: Date | null;
  readonly quorum: number;
  readonly votes: readonly VoteView[];
  readonly shown_hash: string | null;
  readonly context: Json;
}

export interface VoteView {
  readonly by: string;
  readonly decision: 'approve' | 'reject';
  readonly note: string | null;
  readonly at: Date;
}

/** What a run waits for, oldest first. */
export async function openWaits(db: Database, { workspaceId, runId }: RunRef): Promise<readonly WaitView[]> {
  const waits = await scoped(db, workspaceId)
    .select('waits')
    .select(['id as token', 'kind', 'node_id', 'action as prompt', 'form', 'audience', 'expires_at', 'quorum'])
    .select(['shown_hash', 'context'])
    .where('run_id', '=', runId)
    .where('status', '=', 'pending')
    .orderBy('created_at')
    .orderBy('id')
    .execute();
  if (waits.length === 0) return [];
  const votes = await scoped(db, workspaceId)
    .select('wait_votes')
    .select(['wait_id', 'by', 'decision', 'note', 'at'])
    .where(
      'wait_id',
      'in',
      waits.map(({ token }) => token),
    )
    .orderBy('at')
    .execute();
  return waits.map((wait) => ({
    ...wait,
    votes: votes
      .filter(({ wait_id: token }) => token === wait.token)
      .map(({ by, decision, note, at }) => ({ by, decision, note, at })),
  }));
}

/** Writes votes of a wait that is not settled yet; one that is there stays. */
export async function recordVotes(
  db: Database,
  { run, token, votes }: { readonly run: RunRef; readonly token: string; readonly votes: readonly Vote[] },
): Promise<void> {
  if (votes.length === 0) return;
  await sql`with ${heldPart(run)}
    insert into wait_votes (wait_id, workspace_id, by, decision, note, data, shown_hash, at)
    select waits.id, waits.workspace_id, v.by, v.decision, v.note, nullif(v.value::text, 'null')::json, v."shownHash",
      to_timestamp(v.at / 1000.0)
    from held join waits on waits.run_id = held.id and waits.id = ${token}, json_to_recordset(${jsonText(votes)}::json)
      as v(by text, decision text, note text, value json, "shownHash" text, at float8)
    on conflict (wait_id, by) do nothing`.execute(db);
}

/** Notes that those who may decide were reminded. */
export async function remindWait(db: Database, run: RunRef, token: string): Promise<void> {
  await sql`with ${heldPart(run)}
    update waits set reminded = reminded + 1
    from held where waits.run_id = held.id and waits.id = ${token} and waits.status = 'pending'`.execute(db);
}

/** Lets others decide: who they are now, all of them. */
export async function escalateWait(
  db: Database,
  run: RunRef,
  { token, audience }: { readonly token: string; readonly audience: readonly string[] },
): Promise<void> {
  await sql`with ${heldPart(run)}
    update waits set audience = ${jsonText(audience)}::jsonb, escalated_at = clock_timestamp()
    from held where waits.run_id = held.id and waits.id = ${token} and waits.status = 'pending'`.execute(db);
}
