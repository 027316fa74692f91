import { sql } from 'kysely';
import type { Database } from '../../db/client.js';
import { scoped } from '../../db/scoped.js';
import { loadValue } from '../../db/values.js';
import { INLINE_LIMIT_BYTES, jsonOf, type Json, type Value } from '../../workflows/definition/values.js';
import { iso, present, text, time } from './fields.js';
import type { Happened, Part } from './payload.js';

const TEST_TAG = 'test';

/** A run as every event of it shows it. */
export async function runPart(db: Database, happened: Happened): Promise<Part> {
  const { run, isLive } = await runOf(db, happened);
  const { status, error, ended_at: endedAt } = happened.data;
  const started_at = time(happened.data['started_at']);
  if (happened.type === 'run.started') {
    // a short run is first heard of when it is over
    return { isLive, data: { ...run.shown, status: 'running', output: null, error: null, started_at, ended_at: null } };
  }
  const isOver = status === 'completed' || status === 'failed' || status === 'cancelled';
  const output = isOver && run.output !== null ? await shownValue(db, happened, run.output) : { output: null };
  const last = { error: error ?? null, started_at, ended_at: time(endedAt) };
  return { isLive, data: { ...run.shown, status: status ?? null, ...output, ...last } };
}

/** A step of it. */
export async function stepPart(db: Database, happened: Happened): Promise<Part> {
  const { run, isLive } = await runOf(db, happened);
  const { key, node_id, label, kind, status, attempt, error, decided_by } = happened.data;
  const times = { started_at: time(happened.data['started_at']), ended_at: time(happened.data['ended_at']) };
  const step = await db
    .selectFrom('run_steps')
    .select('output')
    .where('run_id', '=', happened.runId)
    .where('key', '=', text(key))
    .executeTakeFirst();
  const value = step?.output ?? null;
  const output = value === null ? { output: null } : await shownValue(db, happened, value);
  const shown = { key, node_id, label, kind, status, attempt, error, decided_by };
  return { isLive, data: { ...run.shown, ...present(shown), ...times, ...output } };
}

/** An approval: what was asked, and what became of it. */
export async function waitPart(db: Database, happened: Happened): Promise<Part> {
  const { run, isLive } = await runOf(db, happened);
  const { token, node_id, status, prompt, audience, expires_at, decided_by } = happened.data;
  const wait = await scoped(db, happened.workspaceId).get('waits', text(token));
  const decided = status === 'pending' ? undefined : wait;
  const data = {
    ...run.shown,
    ...present({ approval_id: token, node_id, status, prompt, audience, decided_by }),
    ...present({ reason: wait?.reason, note: decided?.note }),
    expires_at: time(expires_at),
    requested_at: iso(wait?.created_at),
    decided_at: iso(decided?.decided_at),
  };
  return { isLive, data };
}

interface RunShown {
  readonly shown: Readonly<Record<string, Json>>;
  readonly output: Value | null;
}

async function runOf(
  db: Database,
  { workspaceId, runId, data }: Happened,
): Promise<{ readonly run: RunShown; readonly isLive: boolean }> {
  const row = await scoped(db, workspaceId)
    .select('runs')
    .leftJoin('definitions', 'definitions.id', 'runs.definition_id')
    // the version it had then, where the event says which; a run may move to another
    .leftJoin('versions', (join) =>
      join.on(sql<boolean>`versions.id = ${textOr(data['version_id'], sql.ref('runs.version_id'))}`),
    )
    .select([
      'runs.definition_id',
      'runs.definition_kind',
      'definitions.slug',
      'versions.number as version',
      'runs.tags',
      'runs.trigger',
      'runs.parent_run_id',
      'runs.conversation_id',
      'runs.created_at',
      'runs.output',
      'runs.test',
    ])
    .where('runs.id', '=', runId)
    .executeTakeFirst();
  if (row === undefined) return { run: { shown: { run_id: runId }, output: null }, isLive: true };
  const { output, test, created_at: createdAt, ...rest } = row;
  const isLive = test === null && !row.tags.includes(TEST_TAG);
  return { run: { shown: { run_id: runId, ...rest, created_at: iso(createdAt) }, output }, isLive };
}

const textOr = (given: Json | undefined, otherwise: ReturnType<typeof sql.ref>) =>
  typeof given === 'string' ? sql`${given}` : otherwise;

/** A value up to 64 KiB; of a larger one only where it is read. */
export async function shownValue(
  db: Database,
  { workspaceId, runId, baseUrl }: Happened,
  value: Value,
): Promise<Readonly<Record<string, Json>>> {
  const json =
    'ref' in value && value.bytes > INLINE_LIMIT_BYTES ? undefined : await jsonWithin(db, workspaceId, value);
  if (json !== undefined) return { output: json };
  const path = 'ref' in value ? `/v1/values/${value.ref}` : `/v1/runs/${runId}`;
  return {
    output: null,
    output_note: 'The output is larger than 64 KiB; read it at output_url.',
    output_url: `${baseUrl}${path}`,
  };
}

async function jsonWithin(db: Database, workspaceId: string, value: Value): Promise<Json | undefined> {
  if (bytesOf(value) > INLINE_LIMIT_BYTES) return undefined;
  const json = jsonOf(value) ?? (await loadValue(db, workspaceId, value));
  return Buffer.byteLength(JSON.stringify(json)) > INLINE_LIMIT_BYTES ? undefined : json;
}

/** Of what is stored: too much is not even loaded. */
function bytesOf(value: Value): number {
  if ('json' in value) return 0;
  if ('ref' in value) return value.bytes;
  const parts = 'list' in value ? value.list : Object.values(value.parts);
  return parts.reduce((sum, part) => sum + bytesOf(part), 0);
}
