import { sql, type Kysely } from 'kysely';

const statements = [
  // the turn of a conversation that a step ended with its own record: whoever asked need not hear it from the run
  `alter table run_steps add column ended_turn text`,
  // the same news of one transaction are one: without the number in the log a statement that logs much is heard once
  `create or replace function append_run_event(of_run text, of_type text, of_data jsonb) returns void language plpgsql as $$
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
      perform pg_notify('run_events', of_workspace || ':' || of_run);
    end $$`,
  // most steps and changes of a run change nothing in its call
  `create or replace function follow_call_step() returns trigger language plpgsql as $$
    declare
      of_call calls;
      before calls;
    begin
      select * into of_call from calls where run_id = new.run_id for no key update;
      if not found or of_call.ended_at is not null then return null; end if;
      before := of_call;
      if tg_op = 'INSERT' then of_call := pass_call(of_call, new); end if;
      if new.kind = 'listen' or new.status = 'completed' then of_call := connect_call(of_call); end if;
      if new.kind = 'listen' then
        perform hear_listen(of_call, new);
      elsif new.status = 'completed' then
        of_call := hear_turn(of_call, new);
      end if;
      if to_jsonb(of_call) is distinct from to_jsonb(before) then perform keep_call(of_call); end if;
      return null;
    end $$`,
  `create or replace function follow_call_run() returns trigger language plpgsql as $$
    declare
      of_call calls;
      is_over boolean := new.status in ('completed', 'failed', 'cancelled');
    begin
      if not is_over and old.status <> 'queued' then return null; end if;
      select * into of_call from calls where run_id = new.id for no key update;
      if not found or of_call.ended_at is not null then return null; end if;
      if is_over then
        of_call := end_call(of_call, new);
      elsif of_call.status = 'pending' then
        of_call.status := 'connecting';
        of_call.started_at := coalesce(of_call.started_at, new.started_at, clock_timestamp());
      end if;
      perform keep_call(of_call);
      return null;
    end $$`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
