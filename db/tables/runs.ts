import type { Generated } from 'kysely';
import type { NodeError } from '../../workflows/contract/failures.js';
import type { Cost, RunStatus, StepStatus, WaitKind } from '../../workflows/contract/run.js';
import type { Plan, Port } from '../../workflows/definition/plan.js';
import type { Json, Value } from '../../workflows/definition/values.js';
import type { Jsonb, Created } from './columns.js';

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

/** What ran, what it waits for, and what it did. */
export interface RunTables {
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
    /** Given by whoever started it: runs of one conversation share it. */
    conversation_id: string | null;
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
    /** The turn of a conversation whose only words are its output, and which ended with it. */
    ended_turn: string | null;
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
    workspace_id: string;
    key: string;
    output: Jsonb<Value>;
    port: Port;
    vars: Jsonb<Readonly<Record<string, Value>>> | null;
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
}
