import type { Database } from '../../db/client.js';
import { eraseSchedule, holdForSync, markSynced, unsyncedSchedules } from '../../db/schedule-sync.js';
import { setNextRun, type Schedule } from '../../db/schedules.js';
import { cronTimes, type CronRule } from '../../workflows/definition/cron-times.js';
import type { ScheduleGateway } from './schedule-gateway.js';

export interface ScheduleSyncDeps {
  readonly db: Database;
  readonly schedules: ScheduleGateway;
  /** Told when Temporal could not be reached; a sweep tries again. */
  readonly onError?: ((error: unknown, scheduleId: string) => void) | undefined;
}

export interface ScheduleSync {
  /** Brings Temporal up to date with one row; answers whether it could. */
  readonly bring: (scheduleId: string) => Promise<boolean>;
  /** The same for rows left behind; answers how many were brought up to date. */
  readonly bringPending: () => Promise<number>;
  /** The schedule with a next time that is not over. */
  readonly refreshed: (schedule: Schedule) => Promise<Schedule>;
}

const BATCH = 50;
/** When so many fail, Temporal is likely away: the rest waits for the next sweep. */
const GIVE_UP_AFTER = 3;

export function createScheduleSync({ db, schedules, onError = () => undefined }: ScheduleSyncDeps): ScheduleSync {
  const bring = async (scheduleId: string): Promise<boolean> => {
    try {
      await db.transaction().execute((trx) => bringUpToDate(trx, schedules, scheduleId));
      return true;
    } catch (error) {
      onError(error, scheduleId);
      return false;
    }
  };

  const bringPending = async (): Promise<number> => {
    let brought = 0;
    let failed = 0;
    for (const id of await unsyncedSchedules(db, BATCH)) {
      if (await bring(id)) brought += 1;
      else failed += 1;
      if (failed >= GIVE_UP_AFTER) break;
    }
    return brought;
  };

  const refreshed = async (schedule: Schedule): Promise<Schedule> => {
    const now = Date.now();
    const { enabled, next_run_at: known, revision } = schedule;
    if (!enabled || known === null || known.getTime() > now) return schedule;
    const rule = ruleOf(schedule);
    const ref = { workspaceId: schedule.workspace_id, scheduleId: schedule.id, rule };
    const nextRunAt = (await schedules.nextRunAt(ref).catch(() => null)) ?? computedNextRun(rule, now);
    await setNextRun(db, { scheduleId: schedule.id, revision, nextRunAt });
    return { ...schedule, next_run_at: nextRunAt };
  };

  return { bring, bringPending, refreshed };
}

/** Our own reckoning, for as long as Temporal has not answered. */
export function computedNextRun(rule: CronRule, now: number): Date | null {
  const at = cronTimes(rule).next(now);
  return at === null ? null : new Date(at);
}

async function bringUpToDate(db: Database, schedules: ScheduleGateway, id: string): Promise<void> {
  const row = await holdForSync(db, id);
  if (row === undefined) return;
  const ref = { workspaceId: row.workspace_id, scheduleId: id };
  if (row.deleted_at !== null) {
    await schedules.remove(ref);
    await eraseSchedule(db, id);
    return;
  }
  const synced = await schedules.upsert({ ...ref, rule: ruleOf(row), enabled: row.enabled });
  await markSynced(db, { id, revision: row.revision, ...synced });
}

const ruleOf = ({ cron_expr: expression, timezone }: Pick<Schedule, 'cron_expr' | 'timezone'>): CronRule => ({
  expression,
  timezone,
});
