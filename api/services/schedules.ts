import type { Database } from '../../db/client.js';
import { derivedId } from '../../db/ids.js';
import { lastOutcomes, lastRunTimes, recentRuns, recentSkips } from '../../db/schedule-history.js';
import { chainObstacle, insertScheduleRun, promptOf } from '../../db/schedule-runs.js';
import { countRun } from '../../db/schedule-ticks.js';
import {
  changeSchedule,
  findSchedule,
  insertSchedule,
  listSchedules,
  softDeleteSchedule,
  type Schedule,
  type ScheduleKey,
} from '../../db/schedules.js';
import type { RunInput } from '../../workflows/contract/run.js';
import { conflict, notFound } from '../http/errors.js';
import { createChainSchedules, type SetChainSchedule } from './chain-schedules.js';
import { columnsOfChange, columnsOfNew } from './schedule-columns.js';
import type { ScheduleInput } from './schedule-input.js';
import { createScheduleSync, type ScheduleSyncDeps } from './schedule-sync.js';
import { presentRun, presentSchedule, presentSkip, type HistoryEntry, type ScheduleRow } from './schedule-view.js';

export interface RunStarter {
  /** Starts the run's workflow; repeats change nothing. */
  readonly startRun: (input: RunInput) => Promise<void>;
}

export interface ScheduleServiceDeps extends ScheduleSyncDeps {
  readonly runs: RunStarter;
}

export interface FiredSchedule {
  readonly status: 'fired';
  readonly workspace_id: string;
  readonly prompt: string;
  readonly run_id: string;
}

export interface ScheduleService {
  readonly list: (workspaceId: string) => Promise<readonly ScheduleRow[]>;
  readonly create: (request: {
    readonly workspaceId: string;
    readonly seed: string;
    readonly input: ScheduleInput;
  }) => Promise<{ readonly id: string; readonly status: 'created'; readonly next_run_at: Date | null }>;
  readonly update: (
    request: ScheduleKey & { readonly input: ScheduleInput },
  ) => Promise<{ readonly status: 'updated' }>;
  readonly remove: (key: ScheduleKey) => Promise<{ readonly status: 'deleted' }>;
  /** Starts a run now, also of a disabled schedule and a busy workspace. */
  readonly fire: (request: ScheduleKey & { readonly seed: string; readonly actor: string }) => Promise<FiredSchedule>;
  readonly history: (key: ScheduleKey) => Promise<readonly HistoryEntry[]>;
  /** Brings Temporal up to date with rows left behind while it was away; to be called every few seconds. */
  readonly syncPending: () => Promise<number>;
  /** The schedule of a live chain whose first step is a cron; `cron: null` ends it. */
  readonly setChainSchedule: SetChainSchedule;
}

const HISTORY_LIMIT = 20;

export function createScheduleService(deps: ScheduleServiceDeps): ScheduleService {
  const { db } = deps;
  const sync = createScheduleSync(deps);
  return {
    list: async (workspaceId) => {
      const rows = await Promise.all((await listSchedules(db, workspaceId)).map(sync.refreshed));
      return withResults(db, rows);
    },
    create: async ({ workspaceId, seed, input }) => {
      const row = await columnsOfNew(db, { workspaceId, seed, input });
      await insertSchedule(db, row);
      await sync.bring(row.id);
      const schedule = await mustFind(db, { workspaceId, scheduleId: row.id });
      return { id: row.id, status: 'created', next_run_at: schedule.next_run_at };
    },
    update: async ({ input, ...key }) => {
      const schedule = await mustFind(db, key);
      refuseChainOwned(schedule, 'change the first step of the chain instead');
      await changeSchedule(db, key, await columnsOfChange(db, schedule, input));
      await sync.bring(key.scheduleId);
      return { status: 'updated' };
    },
    remove: async (key) => {
      refuseChainOwned(await mustFind(db, key), 'pause the chain instead');
      await softDeleteSchedule(db, key);
      await sync.bring(key.scheduleId);
      return { status: 'deleted' };
    },
    fire: async ({ seed, actor, ...key }) => fire(deps, { schedule: await mustFind(db, key), seed, actor }),
    history: (key) => historyOf(db, key),
    syncPending: sync.bringPending,
    setChainSchedule: createChainSchedules({ db, sync }),
  };
}

async function mustFind(db: Database, key: ScheduleKey): Promise<Schedule> {
  const schedule = await findSchedule(db, key);
  if (schedule === undefined) throw notFound('schedule', key.scheduleId);
  return schedule;
}

function refuseChainOwned({ source, chain }: Schedule, advice: string): void {
  if (source === 'chain') throw conflict(`This schedule belongs to the chain "${chain?.slug}": ${advice}.`);
}

async function withResults(db: Database, schedules: readonly Schedule[]): Promise<readonly ScheduleRow[]> {
  const ids = schedules.map(({ id }) => id);
  const [outcomes, times] = await Promise.all([lastOutcomes(db, ids), lastRunTimes(db, ids)]);
  return schedules.map((schedule) =>
    presentSchedule(schedule, {
      outcomes: outcomes.filter((outcome) => outcome.schedule_id === schedule.id),
      lastRunAt: times.get(schedule.id) ?? null,
    }),
  );
}

async function fire(
  { db, runs, onError }: ScheduleServiceDeps,
  { schedule, seed, actor }: { readonly schedule: Schedule; readonly seed: string; readonly actor: string },
): Promise<FiredSchedule> {
  const obstacle = chainObstacle(schedule);
  if (obstacle !== null) throw conflict(`This schedule cannot run: ${obstacle}.`);
  const runId = derivedId('run', seed);
  const input = await db.transaction().execute(async (trx) => {
    const { input: made, isNew } = await insertScheduleRun(trx, { schedule, runId, trigger: 'manual', actor });
    if (isNew) await countRun(trx, schedule.id);
    return made;
  });
  // The row stays queued, and a sweep starts what is queued.
  await runs.startRun(input).catch((error: unknown) => onError?.(error, schedule.id));
  return { status: 'fired', workspace_id: schedule.workspace_id, prompt: promptOf(schedule), run_id: runId };
}

async function historyOf(db: Database, key: ScheduleKey): Promise<readonly HistoryEntry[]> {
  const schedule = await findSchedule(db, key);
  if (schedule === undefined) return [];
  const page = { ...key, limit: HISTORY_LIMIT };
  const [runs, skips] = await Promise.all([recentRuns(db, page), recentSkips(db, page)]);
  return [...runs.map((run) => presentRun(run, schedule)), ...skips.map((tick) => presentSkip(tick, schedule))]
    .toSorted((a, b) => b.timestamp.getTime() - a.timestamp.getTime())
    .slice(0, HISTORY_LIMIT);
}
