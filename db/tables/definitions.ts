import type { ColumnType, Generated } from 'kysely';
import type { Plan } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';
import type { Jsonb, Created } from './columns.js';

/** What people author, and when it starts by itself. */
export interface DefinitionTables {
  definitions: {
    id: string;
    workspace_id: string;
    kind: string;
    slug: string;
    name: string;
    status: string;
    document: Jsonb<Json>;
    revision: Generated<number>;
    /** The live version. */
    version_id: string | null;
    created_by: string;
    created_at: Created;
    updated_at: Created;
    deleted_at: Date | null;
    /** Slash-separated path; '' is the top. */
    folder: Generated<string>;
    description: Generated<string>;
    /** Results that test runs give to nodes instead of executing them, by node id. */
    pins: ColumnType<Readonly<Record<string, Json>>, string | undefined, string>;
    published_at: Date | null;
  };
  versions: {
    id: string;
    workspace_id: string;
    definition_id: string;
    /** Counts published versions; null for one that only ever ran as a draft. */
    number: number | null;
    hash: string;
    document: Jsonb<Json>;
    plan: Jsonb<Plan>;
    created_at: Created;
    /** Null for a version that only ever ran as a draft. */
    published_at: Date | null;
    published_by: string | null;
    note: string | null;
  };
  /** The last revisions of each draft. */
  draft_revisions: {
    workspace_id: string;
    definition_id: string;
    revision: number;
    document: Jsonb<Json>;
    saved_by: string;
    created_at: Created;
  };
  workspace_tools: {
    id: string;
    workspace_id: string;
    name: string;
    description: Generated<string>;
    method: string;
    url: string;
    headers: Jsonb<Readonly<Record<string, string>>>;
    body: Jsonb<Json> | null;
    /** JSON Schema of its arguments. */
    parameters: Jsonb<Json> | null;
    outputs: Jsonb<Readonly<Record<string, string>>>;
    created_at: Created;
    updated_at: Created;
  };
  schedules: {
    id: string;
    workspace_id: string;
    name: string;
    cron_expr: string;
    timezone: string;
    prompt: string;
    /** The chain it runs instead of the prompt. */
    chain_id: string | null;
    chain_input: Jsonb<Json> | null;
    overlap: Generated<'skip' | 'allow'>;
    enabled: Generated<boolean>;
    /** `runtime` by the API, `chain` by the first step of a live chain. */
    source: Generated<string>;
    /** Counts changes; the Temporal Schedule is up to date when `synced_revision` equals it. */
    revision: Generated<number>;
    synced_revision: Generated<number>;
    /** When the Temporal Schedule is to be renewed, because it is told of clock changes only so far ahead. */
    resync_at: Date | null;
    next_run_at: Date | null;
    /** Runs started and ticks skipped. */
    run_count: Generated<number>;
    created_at: Created;
    updated_at: Created;
    deleted_at: Date | null;
  };
  schedule_ticks: {
    schedule_id: string;
    scheduled_at: Date;
    run_id: string | null;
    skipped_reason: string | null;
    created_at: Created;
  };
}
