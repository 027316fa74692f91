import { sql, type Kysely } from 'kysely';
import { ofWorkspace, protect } from '../row-security.js';

/**
 * Calls: a row beside the run that carries each of them. Triggers keep it from what its run records and write the `call`
 * events of the run's log, so that no reader of that log (sockets, streams, webhooks) can be told anything else. Whoever
 * writes to a run holds its row already; the call's row is only ever taken after it.
 */
const table = [
  `create table calls (
    run_id text primary key references runs on delete cascade,
    workspace_id text not null references workspaces,
    definition_id text not null references definitions,
    workflow_slug text not null,
    user_id text,
    call_type text not null check (call_type in ('voip', 'sip')),
    phone_number text,
    direction text not null check (direction in ('inbound', 'outbound')),
    room_name text not null unique,
    user_context json not null,
    metadata json not null,
    is_live boolean not null,
    status text not null default 'pending'
      check (status in ('pending', 'connecting', 'active', 'completed', 'failed', 'disconnected', 'timeout')),
    status_reason text,
    current_agent text,
    agent_history jsonb not null default '[]',
    metrics jsonb not null default '{"turns": 0, "llm_ms": 0, "input_tokens": 0, "output_tokens": 0, "handoffs": 0}',
    created_at timestamptz not null default now(),
    started_at timestamptz,
    connected_at timestamptz,
    ended_at timestamptz,
    duration_seconds float8
  )`,
  `create index calls_newest on calls (workspace_id, created_at desc, run_id desc)`,
  `create index calls_workflow on calls (workspace_id, workflow_slug, created_at desc, run_id desc)`,
  `create index calls_user on calls (workspace_id, user_id, created_at desc, run_id desc) where user_id is not null`,
  `create index calls_status on calls (workspace_id, status, created_at desc, run_id desc)`,
  `create index calls_definition on calls (definition_id)`,
  ...protect('calls', ofWorkspace),
  // words are logged once, and found again by their step
  `create unique index run_events_words on run_events (run_id, (data ->> 'key')) where type = 'call' and data ? 'key'`,
];

const values = [
  // a value as runs keep it, whole: see `Value`
  `create function whole_value(value jsonb, of_workspace text) returns jsonb language plpgsql stable as $$
    begin
      return case
        when value ? 'json' then value -> 'json'
        when value ? 'ref' then (
          select content::jsonb from blobs where id = value ->> 'ref' and workspace_id = of_workspace)
        when value ? 'parts' then (
          select coalesce(jsonb_object_agg(key, whole_value(part, of_workspace)), '{}')
          from jsonb_each(value -> 'parts') as parts (key, part))
        when value ? 'list' then (
          select coalesce(jsonb_agg(whole_value(part, of_workspace) order by place), '[]')
          from jsonb_array_elements(value -> 'list') with ordinality as list (part, place))
        end;
    end $$`,
  // the text of a value: see `textOf`
  `create function value_text(value jsonb) returns text language sql immutable parallel safe
    return case jsonb_typeof(value)
      when 'string' then value #>> '{}'
      when 'null' then ''
      when 'object' then case when jsonb_typeof(value -> 'text') = 'string' then value ->> 'text' else value::text end
      else coalesce(value::text, '') end`,
  `create function iso_time(at timestamptz) returns text language sql stable parallel safe
    return to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`,
];

const log = [
  `create function log_call(of_call calls, event text, more jsonb) returns void language sql as $$
    select append_run_event(of_call.run_id, 'call', jsonb_build_object(
      'event', event, 'call_id', of_call.run_id, 'status', of_call.status, 'status_reason', of_call.status_reason,
      'workflow_id', of_call.definition_id, 'workflow_slug', of_call.workflow_slug, 'user_id', of_call.user_id,
      'agent', of_call.current_agent) || more) $$`,
  // what was said, once for each key; very long words are cut here and whole in the transcript
  `create function log_words(of_call calls, of_key text, role text, agent text, content text) returns void
    language plpgsql as $$
    begin
      if coalesce(content, '') = '' or exists (
        select from run_events where run_id = of_call.run_id and type = 'call' and data ? 'key' and data ->> 'key' = of_key)
      then return; end if;
      perform log_call(of_call, 'call.transcript', jsonb_build_object(
        'key', of_key, 'role', role, 'agent', agent, 'content', left(content, 8000), 'cut', length(content) > 8000));
    end $$`,
  `create function keep_call(of_call calls) returns void language sql as $$
    update calls set status = of_call.status, status_reason = of_call.status_reason, current_agent = of_call.current_agent,
      agent_history = of_call.agent_history, metrics = of_call.metrics, started_at = of_call.started_at,
      connected_at = of_call.connected_at, ended_at = of_call.ended_at, duration_seconds = of_call.duration_seconds
    where run_id = of_call.run_id $$`,
  `create function end_turn_of_agent(history jsonb, at timestamptz) returns jsonb language sql stable parallel safe
    return case when jsonb_array_length(history) = 0 then history
      else jsonb_set(history, '{-1,ended_at}', to_jsonb(iso_time(at))) end`,
];

const steps = [
  // somebody else has the call from here on; the first to have it took it from nobody
  `create function pass_call(inout of_call calls, step run_steps) language plpgsql as $$
    declare
      previous text := of_call.current_agent;
    begin
      if previous = step.label then return; end if;
      of_call.current_agent := step.label;
      of_call.agent_history := end_turn_of_agent(of_call.agent_history, step.started_at) || jsonb_build_array(
        jsonb_build_object('agent', step.label, 'node_id', regexp_replace(step.node_id, '\\.listen$', ''),
          'started_at', iso_time(step.started_at), 'ended_at', null));
      if previous is not null then
        perform log_call(of_call, 'call.agent_changed', jsonb_build_object('previous_agent', previous));
      end if;
    end $$`,
  `create function connect_call(inout of_call calls) language plpgsql as $$
    begin
      if of_call.connected_at is not null then return; end if;
      of_call.status := 'active';
      of_call.connected_at := clock_timestamp();
      of_call.started_at := coalesce(of_call.started_at, of_call.connected_at);
      perform log_call(of_call, 'call.connected', '{}');
    end $$`,
  // the greeting before the wait, and what the user said in it
  `create function hear_listen(of_call calls, step run_steps) returns void language plpgsql as $$
    begin
      perform log_words(of_call, step.key || ':greeting', 'assistant', step.label, step.said);
      if step.status = 'completed' and step.port is distinct from 'timeout' and step.decided_by is distinct from 'timeout' then
        perform log_words(of_call, step.key, 'user', step.label,
          value_text(whole_value(step.output::jsonb, of_call.workspace_id)));
      end if;
    end $$`,
  `create function hear_turn(inout of_call calls, step run_steps) language plpgsql as $$
    declare
      answer jsonb := whole_value(step.output::jsonb, of_call.workspace_id);
      usage jsonb := answer -> 'usage';
    begin
      of_call.metrics := jsonb_build_object(
        'turns', (of_call.metrics ->> 'turns')::int + 1,
        'llm_ms', (of_call.metrics ->> 'llm_ms')::float8 + coalesce((answer ->> 'llm_ms')::float8, 0),
        'input_tokens', (of_call.metrics ->> 'input_tokens')::int + coalesce((usage ->> 'input_tokens')::int, 0),
        'output_tokens', (of_call.metrics ->> 'output_tokens')::int + coalesce((usage ->> 'output_tokens')::int, 0),
        'handoffs', (of_call.metrics ->> 'handoffs')::int + (coalesce(answer ->> 'outcome', '') = 'handoff')::int);
      perform log_words(of_call, step.key, 'assistant', step.label, value_text(answer));
    end $$`,
  `create function follow_call_step() returns trigger language plpgsql as $$
    declare
      of_call calls;
    begin
      select * into of_call from calls where run_id = new.run_id for no key update;
      if not found or of_call.ended_at is not null then return null; end if;
      if tg_op = 'INSERT' then of_call := pass_call(of_call, new); end if;
      if new.kind = 'listen' or new.status = 'completed' then of_call := connect_call(of_call); end if;
      if new.kind = 'listen' then
        perform hear_listen(of_call, new);
      elsif new.status = 'completed' then
        of_call := hear_turn(of_call, new);
      end if;
      perform keep_call(of_call);
      return null;
    end $$`,
  `create trigger run_steps_insert_of_call after insert on run_steps for each row
    when (new.kind in ('listen', 'agent_turn') and new.status in ('running', 'waiting', 'completed'))
    execute function follow_call_step()`,
  `create trigger run_steps_update_of_call after update on run_steps for each row
    when (new.kind in ('listen', 'agent_turn') and new.status = 'completed' and old.status is distinct from new.status)
    execute function follow_call_step()`,
];

const runs = [
  // what the end node put out says how a call ended that came to an end by itself
  `create function end_of_run(run runs, out status text, out reason text) language plpgsql stable as $$
    declare
      output jsonb;
    begin
      status := case run.status when 'completed' then 'completed' when 'failed' then 'failed' else 'disconnected' end;
      reason := left(case run.status when 'failed' then run.error ->> 'message' else run.error ->> 'type' end, 1000);
      if run.status <> 'completed' then return; end if;
      output := whole_value(run.output::jsonb, run.workspace_id);
      if output ->> 'status' in ('timeout', 'disconnected', 'failed') then status := output ->> 'status'; end if;
      reason := left(output ->> 'reason', 1000);
    end $$`,
  `create function end_call(inout of_call calls, run runs) language plpgsql as $$
    declare
      step run_steps;
    begin
      -- a last word and the end may be written by one statement: the word comes first
      for step in select * from run_steps where run_id = run.id and kind = 'listen' and status = 'completed' order by seq, key
      loop
        perform hear_listen(of_call, step);
      end loop;
      select status, reason into of_call.status, of_call.status_reason from end_of_run(run);
      of_call.ended_at := coalesce(run.ended_at, clock_timestamp());
      of_call.started_at := coalesce(of_call.started_at, run.started_at);
      of_call.duration_seconds := round(greatest(
        coalesce(extract(epoch from of_call.ended_at - of_call.connected_at), 0), 0)::numeric, 3);
      of_call.agent_history := end_turn_of_agent(of_call.agent_history, of_call.ended_at);
      perform log_call(of_call, 'call.' || of_call.status, jsonb_build_object('duration_seconds', of_call.duration_seconds));
    end $$`,
  `create function follow_call_run() returns trigger language plpgsql as $$
    declare
      of_call calls;
    begin
      select * into of_call from calls where run_id = new.id for no key update;
      if not found or of_call.ended_at is not null then return null; end if;
      if new.status in ('completed', 'failed', 'cancelled') then
        of_call := end_call(of_call, new);
      elsif new.status <> 'queued' and of_call.status = 'pending' then
        of_call.status := 'connecting';
        of_call.started_at := coalesce(of_call.started_at, new.started_at, clock_timestamp());
      end if;
      perform keep_call(of_call);
      return null;
    end $$`,
  `create trigger runs_update_of_call after update on runs for each row
    when (new.trigger = 'call' and old.status is distinct from new.status)
    execute function follow_call_run()`,
  `create function begin_call() returns trigger language plpgsql as $$
    begin
      perform log_call(new, 'call.started', '{}');
      return null;
    end $$`,
  `create trigger calls_insert after insert on calls for each row execute function begin_call()`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [...table, ...values, ...log, ...steps, ...runs]) await sql.raw(statement).execute(db);
}
