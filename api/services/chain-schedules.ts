import type { Database } from '../../db/client.js';
import { newId } from '../../db/ids.js';
import {
  changeSchedule,
  findChainSchedule,
  insertSchedule,
  lockChain,
  softDeleteSchedule,
  type Schedule,
} from '../../db/schedules.js';
import { notFound } from '../http/errors.js';
import { readExpression, readTimezone } from './schedule-input.js';
import { computedNextRun, type ScheduleSync } from './schedule-sync.js';

interface ChainRef {
  readonly workspaceId: string;
  readonly chainId: string;
}

interface ChainCron extends ChainRef {
  readonly name: string;
  readonly cron: string;
  readonly timezone: string;
}

export type ChainSchedule = ChainCron | (ChainRef & { readonly cron: null });

/**
 * Answers whether anything changed; setting what is set already does not. Inside a caller's transaction only the row is written: Temporal learns of
 * it with the next `syncPending`.
 */
export type SetChainSchedule = (schedule: ChainSchedule, transaction?: Database) => Promise<boolean>;

export function createChainSchedules({
  db,
  sync,
}: {
  readonly db: Database;
  readonly sync: ScheduleSync;
}): SetChainSchedule {
  return async (schedule, transaction) => {
    if (transaction !== undefined) return (await write(transaction, schedule)) !== null;
    const id = await db.transaction().execute((trx) => write(trx, schedule));
    if (id !== null) await sync.bring(id);
    return id !== null;
  };
}

/** Answers the id of the row that changed. */
async function write(db: Database, schedule: ChainSchedule): Promise<string | null> {
  if (!(await lockChain(db, schedule.workspaceId, schedule.chainId))) throw notFound('chain', schedule.chainId);
  const present = await findChainSchedule(db, schedule.chainId);
  return schedule.cron === null ? end(db, present) : set(db, schedule, present);
}

async function end(db: Database, present: Schedule | undefined): Promise<string | null> {
  if (present === undefined) return null;
  await softDeleteSchedule(db, { workspaceId: present.workspace_id, scheduleId: present.id });
  return present.id;
}

async function set(db: Database, wanted: ChainCron, present: Schedule | undefined): Promise<string | null> {
  const rule = {
    expression: readExpression({ cron_expr: wanted.cron }) ?? '',
    timezone: readTimezone({ timezone: wanted.timezone }) ?? 'UTC',
  };
  const columns = {
    name: wanted.name,
    cron_expr: rule.expression,
    timezone: rule.timezone,
    next_run_at: computedNextRun(rule, Date.now()),
  };
  if (present === undefined) return add(db, wanted, columns);
  const { id, name, cron_expr: cron, timezone } = present;
  if (name === wanted.name && cron === rule.expression && timezone === rule.timezone) return null;
  await changeSchedule(db, { workspaceId: wanted.workspaceId, scheduleId: id }, columns);
  return id;
}

async function add(
  db: Database,
  { workspaceId, chainId }: ChainRef,
  columns: { name: string; cron_expr: string; timezone: string; next_run_at: Date | null },
): Promise<string> {
  const id = newId('sch');
  await insertSchedule(db, {
    id,
    workspace_id: workspaceId,
    chain_id: chainId,
    chain_input: null,
    prompt: '',
    overlap: 'skip',
    enabled: true,
    source: 'chain',
    ...columns,
  });
  return id;
}
