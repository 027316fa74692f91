import type { ColumnType, Generated, JSONColumnType } from 'kysely';
import type { NodeError } from '../workflows/contract/failures.js';
import type { RunStatus, StepStatus } from '../workflows/contract/run.js';
import type { Plan } from '../workflows/definition/plan.js';
import type { Json, Value } from '../workflows/definition/values.js';

/** jsonb: written as JSON text, read as the value. */
type Jsonb<T> = ColumnType<T, string, string>;
type Created = Generated<Date>;

export type Role = 'owner' | 'admin' | 'developer' | 'editor' | 'viewer';

export interface Tables {
  tenants: { id: string; name: string; created_at: Created };
  workspaces: {
    id: string;
    tenant_id: string;
    parent_id: string | null;
    slug: string;
    name: string;
    settings: JSONColumnType<Record<string, Json>, string | undefined, string>;
    max_concurrent_tasks: Generated<number>;
    created_at: Created;
    updated_at: Created;
    deleted_at: Date | null;
  };
  users: {
    id: string;
    tenant_id: string;
    email: string;
    name: string;
    password_hash: string;
    is_platform_admin: Generated<boolean>;
    failed_logins: Generated<number>;
    locked_until: Date | null;
    created_at: Created;
  };
  memberships: { user_id: string; workspace_id: string; role: Role; created_at: Created };
  sessions: {
    id: string;
    user_id: string;
    workspace_id: string;
    /** SHA-256 of the live refresh token. */
    token_hash: string;
    /** SHA-256 of the one before: its second use is theft and ends the session. */
    previous_hash: string | null;
    created_at: Created;
    rotated_at: Created;
    expires_at: Date;
    revoked_at: Date | null;
  };
  workspace_tokens: {
    id: string;
    workspace_id: string;
    token_hash: string;
    prefix: string;
    created_by: string;
    created_at: Created;
    last_used_at: Date | null;
    revoked_at: Date | null;
  };
  secrets: { workspace_id: string; name: string; ciphertext: string; created_at: Created; updated_at: Created };
  audit_events: {
    id: string;
    workspace_id: string | null;
    actor_type: string;
    actor_id: string;
    action: string;
    entity_type: string;
    entity_id: string;
    metadata: JSONColumnType<Record<string, Json>, string | undefined, never>;
    request_id: string | null;
    created_at: Created;
  };
  idempotency_keys: {
    scope: string;
    route: string;
    key: string;
    seed: string;
    body_hash: string;
    status: number | null;
    reply: string | null;
    created_at: Created;
    claimed_until: Date;
  };
  definitions: {
    id: string;
    workspace_id: string;
    kind: string;
    slug: string;
    name: string;
    status: string;
    document: Jsonb<Json>;
    revision: Generated<number>;
    version_id: string | null;
    created_by: string;
    created_at: Created;
    updated_at: Created;
    deleted_at: Date | null;
  };
  versions: {
    id: string;
    workspace_id: string;
    definition_id: string;
    number: number;
    hash: string;
    document: Jsonb<Json>;
    plan: Jsonb<Plan>;
    created_at: Created;
  };
  runs: {
    id: string;
    workspace_id: string;
    definition_id: string | null;
    definition_kind: string;
    version_id: string | null;
    /** The plan itself, for runs of no stored version: a prompt, a free-standing approval. */
    plan: Jsonb<Plan> | null;
    schedule_id: string | null;
    status: RunStatus;
    /** Order of the last status written; a lower one never overwrites it. */
    seq: Generated<number>;
    trigger: string;
    actor: string;
    input: Jsonb<Value>;
    output: Jsonb<Value> | null;
    error: Jsonb<NodeError> | null;
    branch_taken: string | null;
    created_at: Created;
    /** When the sweep last told Temporal of a run that no worker had taken up. */
    dispatched_at: Date | null;
    started_at: Date | null;
    ended_at: Date | null;
  };
  run_steps: {
    run_id: string;
    node_id: string;
    visit: number;
    seq: number;
    kind: string;
    label: string;
    status: StepStatus;
    attempt: Generated<number>;
    /** Attempts that failed for reasons of the node, not of our own infrastructure. */
    failures: Generated<number>;
    input: Jsonb<Value> | null;
    output: Jsonb<Value> | null;
    error: Jsonb<NodeError> | null;
    taken: string | null;
    started_at: Date;
    ended_at: Date | null;
  };
  blobs: {
    id: string;
    workspace_id: string;
    run_id: string | null;
    bytes: number;
    /** JSON text. */
    content: string;
    created_at: Created;
  };
  approvals: {
    id: string;
    workspace_id: string;
    run_id: string;
    node_id: string;
    visit: number;
    task_id: string | null;
    action: string;
    reason: string | null;
    assignee: string | null;
    context: Jsonb<Json> | null;
    options: Jsonb<Json> | null;
    status: Generated<'pending' | 'approved' | 'denied'>;
    decided_by: string | null;
    decided_at: Date | null;
    note: string | null;
    expires_at: Date | null;
    created_at: Created;
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
