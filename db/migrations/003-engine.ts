import { sql, type Kysely } from 'kysely';

/**
 * Graph workflows and the general runs API: waits of every kind, the side-effect ledger, outside events, and the log of
 * what happened in each run, written by the database itself so that no change of the read model can miss it.
 */
const statements = [
  `alter table definitions add column folder text not null default '', add column description text not null default '',
    add column pins json not null default '{}', add column published_at timestamptz`,
  `create index definitions_workspace on definitions (workspace_id, id desc) where deleted_at is null`,
  // published versions count 1, 2, 3; one that only ever ran as a draft has no number
  `alter table versions add column published_at timestamptz, add column published_by text, add column note text,
    alter column number drop not null`,
  `update versions set published_at = created_at
    where id in (select version_id from definitions where status in ('live', 'paused'))`,
  `update versions set number = null where published_at is null`,
  `create table draft_revisions (
    workspace_id text not null references workspaces,
    definition_id text not null references definitions,
    revision int not null,
    document jsonb not null,
    saved_by text not null,
    created_at timestamptz not null default now(),
    primary key (definition_id, revision)
  )`,
  `insert into draft_revisions (workspace_id, definition_id, revision, document, saved_by)
    select workspace_id, id, revision, document, created_by from definitions`,
  `alter table runs add column parent_run_id text references runs, add column parent_key text,
    add column origin jsonb, add column response json, add column priority int not null default 3,
    add column tags text[] not null default '{}', add column event_seq int not null default 0,
    add column is_conversation boolean not null default false, add column cancel_requested_at timestamptz,
    add column cancel_requested_by text, add column fingerprint text, add column test json, add column depth int not null default 0`,
  `create index runs_parent on runs (parent_run_id) where parent_run_id is not null`,
  `create index runs_status on runs (workspace_id, status, id desc)`,
  `create index runs_open on runs (workspace_id, definition_id, version_id)
    where status in ('queued', 'running', 'waiting', 'paused')`,
  `create index runs_tags on runs using gin (tags)`,
  `create index runs_fingerprint on runs (workspace_id, fingerprint) where fingerprint is not null`,
  `drop index runs_schedule_open`,
  `create index runs_schedule_open on runs (workspace_id)
    where schedule_id is not null and status in ('queued', 'running', 'waiting', 'paused')`,
  `drop index runs_queued`,
  `create index runs_queued on runs (created_at) where status = 'queued' and parent_run_id is null`,
  // a child is started by its parent's workflow; the sweep starts only what nobody else will
  `alter table run_steps add column key text, add column scope text not null default '', add column port text,
    add column decided_by text, add column round int not null default 0, add column cost jsonb, add column vars json,
    add column said text`,
  `update run_steps set key = node_id || '/' || visit`,
  `alter table run_steps alter column key set not null, drop constraint run_steps_pkey, add primary key (run_id, key)`,
  `create index run_steps_seq on run_steps (run_id, seq)`,
  `create index run_steps_cost on run_steps (run_id) where cost is not null`,
  `alter table approvals rename to waits`,
  `alter table waits drop constraint approvals_status_check,
    add constraint waits_status check (status in ('pending', 'approved', 'denied', 'resolved', 'expired', 'cancelled')),
    add column kind text not null default 'decision', add column key text, add column scope text not null default '',
    add column form jsonb, add column audience jsonb, add column quorum int not null default 1,
    add column rejections int not null default 1, add column forbid_own boolean not null default false,
    add column shown_hash text, add column event_name text, add column event_key text, add column escalated_at timestamptz,
    add column reminded int not null default 0, add column result json`,
  `update waits set key = node_id || '/' || visit`,
  `alter table waits alter column key set not null`,
  `create index waits_open on waits (run_id) where status = 'pending'`,
  `create index waits_event on waits (workspace_id, event_name, event_key) where status = 'pending' and kind = 'event'`,
  `create table wait_votes (
    wait_id text not null references waits on delete cascade,
    workspace_id text not null references workspaces,
    by text not null,
    decision text not null,
    note text,
    data json,
    shown_hash text,
    at timestamptz not null,
    primary key (wait_id, by)
  )`,
  `create table events (
    id text primary key,
    workspace_id text not null references workspaces,
    name text not null,
    key text,
    event_id text not null,
    payload json not null,
    created_at timestamptz not null default now(),
    delivered_at timestamptz
  )`,
  `create index events_undelivered on events (created_at) where delivered_at is null`,
  `create unique index events_identity on events (workspace_id, name, coalesce(key, ''), event_id)`,
  `create index events_key on events (workspace_id, name, key, created_at)`,
  `create table effects (
    key text primary key,
    workspace_id text not null references workspaces,
    run_id text not null references runs on delete cascade,
    node_id text not null,
    kind text not null,
    status text not null check (status in ('claimed', 'done', 'failed')),
    request_hash text not null,
    claims int not null default 1,
    round int not null default 0,
    receipt json,
    error jsonb,
    claimed_at timestamptz not null default clock_timestamp(),
    settled_at timestamptz
  )`,
  `create index effects_run on effects (run_id)`,
  `create table run_reuse (
    run_id text not null references runs on delete cascade,
    key text not null,
    output json not null,
    port text not null,
    vars json,
    primary key (run_id, key)
  )`,
  `create table workspace_tools (
    id text primary key,
    workspace_id text not null references workspaces,
    name text not null,
    description text not null default '',
    method text not null,
    url text not null,
    headers jsonb not null default '{}',
    body json,
    parameters jsonb,
    outputs jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (workspace_id, name)
  )`,
  /* `seq` counts without a gap within a run, because whoever writes one holds the run's row until it commits; over
     several runs (xid, id) is an order in which nothing appears late once all lower xids have ended. A transaction may
     be older than the one whose row it waited for: its row takes that one's xid, so that both orders agree in a run. */
  `create table run_events (
    run_id text not null references runs on delete cascade,
    seq int not null,
    workspace_id text not null,
    id bigint generated always as identity,
    xid xid8 not null,
    type text not null,
    data jsonb not null,
    at timestamptz not null default clock_timestamp(),
    primary key (run_id, seq)
  )`,
  `create index run_events_workspace on run_events (workspace_id, xid, id)`,
  `create function append_run_event(of_run text, of_type text, of_data jsonb) returns void language plpgsql as $$
    declare
      at_seq int;
      of_workspace text;
    begin
      update runs set event_seq = event_seq + 1 where id = of_run
        returning event_seq, workspace_id into at_seq, of_workspace;
      if not found then return; end if;
      insert into run_events (run_id, seq, workspace_id, xid, type, data)
        values (of_run, at_seq, of_workspace,
          greatest(pg_current_xact_id(), (select xid from run_events where run_id = of_run and seq = at_seq - 1)),
          of_type, of_data);
      perform pg_notify('run_events', of_workspace || ':' || of_run || ':' || at_seq);
    end $$`,
  `create function log_step() returns trigger language plpgsql as $$
    begin
      perform append_run_event(new.run_id, 'step', jsonb_build_object(
        'key', new.key, 'node_id', new.node_id, 'visit', new.visit, 'scope', new.scope, 'kind', new.kind,
        'label', new.label, 'status', new.status, 'attempt', new.attempt, 'error', new.error,
        'decided_by', new.decided_by, 'started_at', new.started_at, 'ended_at', new.ended_at));
      return null;
    end $$`,
  `create trigger run_steps_insert after insert on run_steps for each row execute function log_step()`,
  `create trigger run_steps_update after update on run_steps for each row
    when (old.status is distinct from new.status or old.attempt is distinct from new.attempt
      or (old.error is distinct from new.error and new.error is not null))
    execute function log_step()`,
  `create function log_run() returns trigger language plpgsql as $$
    begin
      perform append_run_event(new.id, 'run', jsonb_build_object(
        'status', new.status, 'definition_id', new.definition_id, 'version_id', new.version_id, 'error', new.error,
        'started_at', new.started_at, 'ended_at', new.ended_at, 'cancel_requested_at', new.cancel_requested_at,
        'responded', new.response is not null));
      return null;
    end $$`,
  `create trigger runs_insert after insert on runs for each row execute function log_run()`,
  `create trigger runs_update after update on runs for each row
    when (old.status is distinct from new.status or old.version_id is distinct from new.version_id
      or old.cancel_requested_at is distinct from new.cancel_requested_at
      or (old.response is null and new.response is not null))
    execute function log_run()`,
  `create function log_wait() returns trigger language plpgsql as $$
    begin
      perform append_run_event(new.run_id, 'wait', jsonb_build_object(
        'token', new.id, 'kind', new.kind, 'node_id', new.node_id, 'status', new.status, 'prompt', new.action,
        'audience', new.audience, 'expires_at', new.expires_at, 'decided_by', new.decided_by));
      return null;
    end $$`,
  `create trigger waits_insert after insert on waits for each row execute function log_wait()`,
  `create trigger waits_update after update on waits for each row
    when (old.status is distinct from new.status or old.audience is distinct from new.audience)
    execute function log_wait()`,
  `create function log_vote() returns trigger language plpgsql as $$
    begin
      perform append_run_event((select run_id from waits where id = new.wait_id), 'vote', jsonb_build_object(
        'token', new.wait_id, 'by', new."by", 'decision', new.decision, 'shown_hash', new.shown_hash));
      return null;
    end $$`,
  `create trigger wait_votes_insert after insert on wait_votes for each row execute function log_vote()`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
