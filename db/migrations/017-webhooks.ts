import { sql, type Kysely } from 'kysely';
import { ofParent, ofTenant, ofWorkspace, protect } from '../row-security.js';

/**
 * Outbound webhooks. The log of a run is the source: a trigger writes the deliveries of an event in the transaction that
 * wrote the event, so that none is lost and none is of something that never happened.
 */
const tables = [
  `create table webhook_endpoints (
    id text primary key,
    tenant_id text not null references tenants,
    workspace_id text references workspaces,
    url text not null,
    description text not null default '',
    event_types text[] not null,
    definition_ids text[] not null default '{}',
    include_children boolean not null default false,
    include_tests boolean not null default false,
    is_active boolean not null default true,
    disabled_reason text,
    disabled_at timestamptz,
    timeout_seconds int not null default 30 check (timeout_seconds between 5 and 60),
    headers jsonb not null default '{}',
    secret_sealed text not null,
    previous_secret_sealed text,
    previous_expires_at timestamptz,
    source text not null default 'api' check (source in ('api', 'tenant_settings')),
    failing_since timestamptz,
    dead_in_a_row int not null default 0,
    created_by text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
  )`,
  `create index webhook_endpoints_live on webhook_endpoints (tenant_id) where is_active and deleted_at is null`,
  `create unique index webhook_endpoints_setting on webhook_endpoints (tenant_id)
    where source = 'tenant_settings' and deleted_at is null`,
  `create table webhook_deliveries (
    id text primary key,
    endpoint_id text not null references webhook_endpoints,
    workspace_id text not null references workspaces,
    tenant_id text not null references tenants,
    event_id text not null,
    type text not null,
    run_id text,
    seq int,
    event_key text not null default '',
    status text not null default 'pending' check (status in ('pending', 'delivering', 'delivered', 'dead', 'cancelled')),
    attempts int not null default 0,
    payload json,
    next_attempt_at timestamptz default clock_timestamp(),
    last_status int,
    last_error text,
    created_at timestamptz not null default clock_timestamp(),
    dispatched_at timestamptz,
    delivered_at timestamptz,
    ended_at timestamptz,
    redriven_from text references webhook_deliveries on delete set null
  )`,
  // one event of a run is one delivery of an endpoint, however often the log tells of it
  `create unique index webhook_deliveries_event on webhook_deliveries (endpoint_id, run_id, type, event_key)
    where redriven_from is null and run_id is not null`,
  `create index webhook_deliveries_endpoint on webhook_deliveries (endpoint_id, id desc)`,
  `create index webhook_deliveries_waiting on webhook_deliveries (endpoint_id, created_at, id)
    where status = 'pending' and dispatched_at is null`,
  `create index webhook_deliveries_open on webhook_deliveries (endpoint_id, dispatched_at)
    where status in ('pending', 'delivering') and dispatched_at is not null`,
  `create index webhook_deliveries_ended on webhook_deliveries (ended_at) where ended_at is not null`,
  `create index webhook_deliveries_redriven on webhook_deliveries (redriven_from) where redriven_from is not null`,
  `create table webhook_attempts (
    delivery_id text not null references webhook_deliveries on delete cascade,
    number int not null,
    at timestamptz not null default clock_timestamp(),
    duration_ms int,
    status int,
    error text,
    response text,
    primary key (delivery_id, number)
  )`,
];

const functions = [
  /* The public name of an event of the log; null for what is nobody's business outside. */
  `create function webhook_event_type(of_type text, data jsonb) returns text language sql immutable parallel safe
    return case of_type
      when 'run' then case data->>'status'
        when 'completed' then 'run.completed'
        when 'failed' then 'run.failed'
        when 'cancelled' then 'run.cancelled'
        else case when data->>'cancel_requested_at' is null then case data->>'status'
          when 'running' then 'run.started'
          when 'waiting' then 'run.waiting'
          when 'paused' then 'run.paused' end end end
      when 'step' then case data->>'status'
        when 'completed' then 'step.completed'
        when 'failed' then 'step.failed' end
      when 'wait' then case when data->>'kind' = 'decision' then case
        when data->>'status' = 'pending' then 'approval.requested'
        when data->>'status' in ('approved', 'denied', 'expired') then 'approval.decided' end end
      when 'call' then case
        when data->>'event' = 'call.agent_changed' then 'call.agent.changed'
        when data->>'event' in ('call.started', 'call.connected', 'call.completed', 'call.failed', 'call.disconnected',
          'call.timeout') then data->>'event' end end`,
  `create function webhook_wants(types text[], event text) returns boolean language sql immutable parallel safe
    return types && array['*', split_part(event, '.', 1) || '.*', event]`,
  /* As the ids that processes make: ten characters of time, so that they sort by it, and chance. */
  `create function new_webhook_delivery_id() returns text language sql volatile
    return 'whd_' || (select string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz',
        (((extract(epoch from clock_timestamp()) * 1000)::bigint >> (5 * place)) & 31)::int + 1, 1), '' order by place desc)
      from generate_series(0, 9) as place) || right(replace(gen_random_uuid()::text, '-', ''), 16)`,
  /* What it is that happens once: an end of a run, an asking, an answer; anything else each time it is logged. */
  `create function webhook_event_key(event text, data jsonb, seq int) returns text language sql immutable parallel safe
    return case
      when event in ('run.started', 'run.completed', 'run.failed', 'run.cancelled') then ''
      when event like 'approval.%' then data->>'token'
      else seq::text end`,
];

/**
 * As the owner, since whoever writes the event may see one workspace while an endpoint is the whole organisation's. The
 * first look is all that an organisation without endpoints pays. A short run is first heard of when it is over: that it
 * had started is told then, under an id of its own, for an event of a run has the number of its place in the log.
 */
const outbox = (schema: string): string => `
  create function webhook_outbox() returns trigger language plpgsql security definer
    set search_path = ${schema}, pg_temp as $$
    declare
      event text := webhook_event_type(new.type, new.data);
      started text := case when new.type = 'run' and event <> 'run.started' and new.data->>'started_at' is not null
        then 'run.started' end;
    begin
      if not exists (
        select from webhook_endpoints
        where tenant_id = (select tenant_id from workspaces where id = new.workspace_id)
          and is_active and deleted_at is null) then return null; end if;
      if event in ('run.waiting', 'run.paused') and new.data->>'status' = (
        select data->>'status' from run_events
        where run_id = new.run_id and seq < new.seq and type = 'run' order by seq desc limit 1) then return null; end if;
      insert into webhook_deliveries (id, endpoint_id, workspace_id, tenant_id, event_id, type, run_id, seq, event_key)
        select new_webhook_delivery_id(), e.id, new.workspace_id, e.tenant_id,
          'evt_' || substr(new.run_id, 5) || '_' || case event_name when 'run.started' then 0 else new.seq end, event_name,
          new.run_id, new.seq, webhook_event_key(event_name, new.data, new.seq)
        from unnest(array[started, event]) with ordinality as told (event_name, place)
          cross join runs r join workspaces w on w.id = r.workspace_id
          join webhook_endpoints e on e.tenant_id = w.tenant_id and e.is_active and e.deleted_at is null
        where r.id = new.run_id and event_name is not null
          and (e.workspace_id is null or e.workspace_id = new.workspace_id)
          and webhook_wants(e.event_types, event_name)
          and (e.definition_ids = '{}' or r.definition_id = any (e.definition_ids))
          and (e.include_children or r.parent_run_id is null or event_name like 'approval.%')
          and (e.include_tests or r.test is null)
        order by place
        on conflict do nothing;
      return null;
    end $$`;

const triggers = [
  `create trigger run_events_webhooks after insert on run_events for each row
    when (new.type in ('run', 'step', 'wait', 'call') and webhook_event_type(new.type, new.data) is not null)
    execute function webhook_outbox()`,
  `create function webhook_news() returns trigger language plpgsql as $$
    begin
      perform pg_notify('webhook_deliveries', new.id);
      return null;
    end $$`,
  `create trigger webhook_deliveries_insert after insert on webhook_deliveries for each row execute function webhook_news()`,
];

const policies = [
  ...protect('webhook_endpoints', `${ofTenant} and (workspace_id is null or ${ofWorkspace})`),
  ...protect('webhook_deliveries', ofWorkspace),
  ...protect('webhook_attempts', ofParent('webhook_deliveries', 'delivery_id', 'webhook_attempts')),
];

export async function up(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ name: string }>`select quote_ident(current_schema()) as name`.execute(db);
  const schema = rows[0]?.name ?? 'public';
  for (const statement of [...tables, ...functions, outbox(schema), ...triggers, ...policies]) {
    await sql.raw(statement).execute(db);
  }
}
