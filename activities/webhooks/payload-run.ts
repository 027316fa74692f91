import { sql } from 'kysely';
import type { Database } from '../../db/client.js';
import { scoped } from '../../db/scoped.js';
import { loadValue } from '../../db/values.js';
import { INLINE_LIMIT_BYTES, jsonOf, type Json, type Value } from '../../workflows/definition/values.js';
import type { Happened, Part } from './payload.js';

const TEST_TAG = 'test';

const iso = (at: Date | null): string | null => at?.toISOString() ?? null;

/** A run as every event of it shows it. */
export async function runPart(db: Database, happened: Happened): Promise<Part> {
  const { run, isLive } = await runOf(db, happened);
  const { status, started_at: startedAt, ended_at: endedAt, error } = happened.data;
  const isOver = status === 'completed' || status === 'failed' || status === 'cancelled';
  const output = isOver && run.output !== null ? await shownValue(db, happened, run.output) : { output: null };
  const times = { started_at: startedAt ?? null, ended_at: endedAt ?? null };
  return { isLive, data: { ...run.shown, status: status ?? null, ...output, error: error ?? null, ...times } };
}

/** A step of it. */
export async function stepPart(db: Database, happened: Happened): Promise<Part> {
  const { run, isLive } = await runOf(db, happened);
  const { key, node_id, label, kind, status, attempt, error, decided_by, started_at, ended_at } = happened.data;
  const step = await db
    .selectFrom('run_steps')
    .select('output')
    .where('run_id', '=', happened.runId)
    .where('key', '=', String(key))
    .executeTakeFirst();
  const value = step?.output ?? null;
  const output = value === null ? { output: null } : await shownValue(db, happened, value);
  const shown = { key, node_id, label, kind, status, attempt, error, decided_by, started_at, ended_at };
  return { isLive, data: { ...run.shown, ...present(shown), ...output } };
}

/** An approval: what was asked, and what became of it. */
export async function waitPart(db: Database, happened: Happened): Promise<Part> {
  const { run, isLive } = await runOf(db, happened);
  const { token, node_id, status, prompt, audience, expires_at, decided_by } = happened.data;
  const wait = await scoped(db, happened.workspaceId).get('waits', String(token));
  const isDecided = status !== 'pending';
  const data = {
    ...run.shown,
    ...present({ approval_id: token, node_id, status, prompt, audience, expires_at, decided_by }),
    reason: wait?.reason ?? null,
    note: isDecided ? (wait?.note ?? null) : null,
    requested_at: iso(wait?.created_at ?? null),
    decided_at: isDecided ? iso(wait?.decided_at ?? null) : null,
  };
  return { isLive, data };
}

/** What the log leaves out is null. */
const present = (fields: Readonly<Record<string, Json | undefined>>): Readonly<Record<string, Json>> =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value ?? null]));

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
