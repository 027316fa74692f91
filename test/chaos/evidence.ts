import { openDatabase } from '../../db/client.js';
import type { Database } from '../../db/client.js';
import type { Client } from './client.js';
import type { Follower } from './followers.js';
import type { GraphLedger } from './graph-load.js';
import type { Receiver, Sent } from './hooks.js';
import type { Ledger } from './load.js';
import type { Platform } from './platform.js';
import type { Sink } from './sink.js';

/** Everything the checks look at, once nothing moves any more. */
export interface Evidence {
  readonly platform: Pick<Platform, 'databaseUrl' | 'temporalAddress'>;
  readonly client: Client;
  readonly sink: Sink;
  readonly ledger: Ledger;
  readonly graphs: GraphLedger;
  readonly workspaceId: string;
  readonly runs: number;
  readonly receiver: Receiver;
  readonly hooks: { readonly sent: Sent; readonly count: number };
  /** Of the whole workspace. */
  readonly follower: Follower;
  /** Of single runs. */
  readonly followers: ReadonlyMap<string, Follower>;
}

export interface RunRow {
  readonly id: string;
  readonly kind: string;
  readonly status: string;
  /** Of its definition. */
  readonly slug: string | null;
  readonly input: unknown;
  readonly order: string;
  readonly parentId: string | null;
  readonly wasCancelled: boolean;
  readonly eventSeq: number;
  readonly steps: readonly StepRow[];
  readonly waits: readonly WaitRow[];
  readonly effects: readonly EffectRow[];
  readonly log: readonly LogRow[];
}

export interface StepRow {
  readonly key: string;
  readonly node: string;
  readonly scope: string;
  readonly status: string;
  readonly decidedBy: string | null;
  readonly output: unknown;
  readonly startedAt: Date;
  readonly endedAt: Date | null;
}

export interface WaitRow {
  readonly token: string;
  readonly kind: string;
  readonly node: string;
  readonly status: string;
  readonly decidedBy: string | null;
  readonly votes: readonly { readonly by: string; readonly decision: string }[];
}

export interface EffectRow {
  readonly key: string;
  readonly status: string;
}

export interface LogRow {
  readonly seq: number;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventRow {
  readonly key: string | null;
  readonly id: string;
}

export interface Rows {
  readonly runs: readonly RunRow[];
  readonly events: readonly EventRow[];
}

export async function readRows(url: string): Promise<Rows> {
  const db = openDatabase({ url, maxConnections: 1 });
  try {
    const [steps, waits, effects, log] = [
      await stepsOf(db),
      await waitsOf(db),
      groupBy(await db.selectFrom('effects').select(['run_id', 'key', 'status']).execute()),
      groupBy(await db.selectFrom('run_events').select(['run_id', 'seq', 'type', 'data']).orderBy('seq').execute()),
    ];
    const runs = await db
      .selectFrom('runs')
      .leftJoin('definitions', 'definitions.id', 'runs.definition_id')
      .selectAll('runs')
      .select('definitions.slug')
      .execute();
    const events = await db.selectFrom('events').select(['key', 'event_id as id']).execute();
    return {
      events,
      runs: runs.map((row) => ({
        ...{ id: row.id, kind: row.definition_kind, status: row.status, order: orderIn(row.input) },
        ...{ slug: row.slug, input: row.input },
        ...{ parentId: row.parent_run_id, wasCancelled: row.cancel_requested_at !== null, eventSeq: row.event_seq },
        steps: steps.get(row.id) ?? [],
        waits: waits.get(row.id) ?? [],
        effects: effects.get(row.id) ?? [],
        log: log.get(row.id) ?? [],
      })),
    };
  } finally {
    await db.destroy();
  }
}

function groupBy<T extends { readonly run_id: string }>(rows: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const group = groups.get(row.run_id) ?? [];
    group.push(row);
    groups.set(row.run_id, group);
  }
  return groups;
}

async function stepsOf(db: Database): Promise<Map<string, readonly StepRow[]>> {
  const rows = await db.selectFrom('run_steps').selectAll().execute();
  return groupBy(
    rows.map((row) => ({
      ...{ run_id: row.run_id, key: row.key, node: row.node_id, scope: row.scope, status: row.status },
      ...{ decidedBy: row.decided_by, output: row.output, startedAt: row.started_at, endedAt: row.ended_at },
    })),
  );
}

async function waitsOf(db: Database): Promise<Map<string, readonly WaitRow[]>> {
  const rows = await db.selectFrom('waits').selectAll().execute();
  const votes = await db.selectFrom('wait_votes').select(['wait_id', 'by', 'decision']).execute();
  return groupBy(
    rows.map((row) => ({
      ...{ run_id: row.run_id, token: row.id, kind: row.kind, node: row.node_id, status: row.status },
      decidedBy: row.decided_by,
      votes: votes.filter((each) => each.wait_id === row.id),
    })),
  );
}

function orderIn(input: unknown): string {
  const json = plain(input);
  return typeof json === 'object' && json !== null && 'order' in json ? String(json.order) : '';
}

/** A stored value as JSON: whole, or put together of its parts. */
export function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('json' in value) return value.json;
  if (!('parts' in value) || typeof value.parts !== 'object' || value.parts === null) return value;
  return Object.fromEntries(Object.entries(value.parts).map(([name, part]) => [name, plain(part)]));
}
