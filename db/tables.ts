import type { ColumnType, Generated, JSONColumnType } from 'kysely';
import type { NodeError } from '../workflows/contract/failures.js';
import type { Cost, RunStatus, StepStatus, WaitKind } from '../workflows/contract/run.js';
import type { Plan, Port } from '../workflows/definition/plan.js';
import type { Json, Value } from '../workflows/definition/values.js';

/** jsonb: written as JSON text, read as the value. */
type Jsonb<T> = ColumnType<T, string, string>;
type Created = Generated<Date>;

export type Role = 'owner' | 'admin' | 'developer' | 'editor' | 'viewer';

export interface RunOrigin {
  readonly kind: 'continue' | 'replay';
  readonly run_id: string;
  /** The step it goes on from. */
  readonly from?: string;
}

export interface RunTest {
  readonly pins: Readonly<Record<string, Json>>;
  /** Ids of effect nodes that really act; the others are stubbed. */
  readonly live: readonly string[];
}

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
    /** The run whose subflow it is, and the visit that started it. */
    parent_run_id: string | null;
    parent_key: string | null;
    /** The run it continues or replays. */
    origin: Jsonb<RunOrigin> | null;
    /** What a `respond` node answered. */
    response: Jsonb<Value> | null;
    priority: Generated<number>;
    tags: Generated<string[]>;
    /** `seq` of the newest row in `run_events`. */
    event_seq: Generated<number>;
    is_conversation: Generated<boolean>;
    cancel_requested_at: Date | null;
    cancel_requested_by: string | null;
    /** Groups failures alike: definition, node and type of error. */
    fingerprint: string | null;
    /** A test run: its pins and which effects are real. */
    test: Jsonb<RunTest> | null;
    depth: Generated<number>;
  };
  run_steps: {
    run_id: string;
    /** `visitKey`: unique within the run. */
    key: string;
    scope: Generated<string>;
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
    port: Port | null;
    decided_by: string | null;
    /** How often a person started it anew; `failures` counts within the round. */
    round: Generated<number>;
    cost: Jsonb<Cost> | null;
    /** Variables the step set. */
    vars: Jsonb<Readonly<Record<string, Value>>> | null;
    /** What it said to the user of a conversation, where that is not its output. */
    said: string | null;
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
  /** Waits of every kind; an approval is one of kind `decision`. */
  waits: {
    /** `waitToken`. */
    id: string;
    workspace_id: string;
    run_id: string;
    key: string;
    scope: Generated<string>;
    node_id: string;
    visit: number;
    kind: Generated<WaitKind>;
    task_id: string | null;
    /** What is asked. */
    action: string;
    reason: string | null;
    assignee: string | null;
    /** What is shown; with `action` and `form` it makes `shown_hash`. */
    context: Jsonb<Json> | null;
    options: Jsonb<Json> | null;
    form: Jsonb<Json> | null;
    audience: Jsonb<readonly string[]> | null;
    quorum: Generated<number>;
    rejections: Generated<number>;
    forbid_own: Generated<boolean>;
    shown_hash: string | null;
    event_name: string | null;
    event_key: string | null;
    /** `approved` and `denied` are decisions, `resolved` is any other wait that was answered. */
    status: Generated<'pending' | 'approved' | 'denied' | 'resolved' | 'expired' | 'cancelled'>;
    decided_by: string | null;
    decided_at: Date | null;
    note: string | null;
    result: Jsonb<Value> | null;
    expires_at: Date | null;
    escalated_at: Date | null;
    reminded: Generated<number>;
    created_at: Created;
  };
  wait_votes: {
    wait_id: string;
    workspace_id: string;
    by: string;
    decision: 'approve' | 'reject';
    note: string | null;
    data: Jsonb<Value> | null;
    shown_hash: string | null;
    at: Date;
  };
  /** Events from outside, kept for runs that come to wait for them later. */
  events: {
    id: string;
    workspace_id: string;
    name: string;
    key: string | null;
    /** The sender's. */
    event_id: string;
    payload: Jsonb<Value>;
    created_at: Created;
    /** When every run that waited for it had been told; a sweep tells the runs of the others. */
    delivered_at: Date | null;
  };
  /** The side-effect ledger: claimed before, receipt after. */
  effects: {
    /** `effectKey`, and a part of its own for each of several effects of one visit. */
    key: string;
    workspace_id: string;
    run_id: string;
    node_id: string;
    kind: string;
    status: 'claimed' | 'done' | 'failed';
    request_hash: string;
    /** How often it was claimed. */
    claims: Generated<number>;
    /** The round of the step that claimed it last. */
    round: Generated<number>;
    receipt: Jsonb<Json> | null;
    error: Jsonb<NodeError> | null;
    claimed_at: Generated<Date>;
    settled_at: Date | null;
  };
  /** Recorded results that a continued run starts with. */
  run_reuse: {
    run_id: string;
    key: string;
    output: Jsonb<Value>;
    port: Port;
    vars: Jsonb<Readonly<Record<string, Value>>> | null;
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
  /** What happened in each run, written by triggers and by `append_run_event`. */
  run_events: {
    run_id: string;
    seq: number;
    workspace_id: string;
    id: Generated<string>;
    /** Of the transaction that wrote it, or of the one whose row it waited for. */
    xid: string;
    type: string;
    data: Jsonb<Readonly<Record<string, Json>>>;
    at: Created;
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
