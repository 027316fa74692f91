import type { Database } from '../db/client.js';
import { queuedRun } from '../db/runs.js';
import { chainObstacle, insertScheduleRun } from '../db/schedule-runs.js';
import {
  findTick,
  lockWorkspace,
  openRuns,
  openTick,
  settleTick,
  tickRunId,
  type OpenRuns,
  type Tick,
} from '../db/schedule-ticks.js';
import { findSchedule, type Schedule } from '../db/schedules.js';
import type { ScheduleActivities, TickDecision, TickInput } from '../workflows/contract/activities.js';
import { cronTimes } from '../workflows/definition/cron-times.js';

export interface ScheduleActivityDeps {
  readonly db: Database;
  readonly now?: () => number;
}

const IGNORE: TickDecision = { action: 'ignore' };

export function createScheduleActivities({ db, now = Date.now }: ScheduleActivityDeps): ScheduleActivities {
  return {
    beginTick: (tick) => db.transaction().execute((trx) => decide(trx, tick, now())),
    skipTick: async ({ reason, ...tick }) => {
      await db.transaction().execute((trx) => settleTick(trx, tick, { skipped_reason: reason }));
    },
  };
}

async function decide(db: Database, tick: TickInput, now: number): Promise<TickDecision> {
  const limit = await lockWorkspace(db, tick.workspaceId);
  const schedule = await findSchedule(db, tick);
  if (limit === undefined || schedule === undefined) return IGNORE;
  const known = await findTick(db, tick);
  if (known !== undefined && isSettled(known)) return again(db, tick, known);
  if (!schedule.enabled || (known === undefined && comesToNothing(schedule, tick, now))) return IGNORE;
  await openTick(db, tick);
  const obstacle = chainObstacle(schedule);
  if (obstacle !== null) {
    await settleTick(db, tick, { skipped_reason: `skipped: ${obstacle}` });
    return IGNORE;
  }
  const reason = busyReason(schedule, await openRuns(db, tick), limit);
  return reason === null ? start(db, tick, schedule) : { action: 'busy', reason };
}

async function start(db: Database, tick: TickInput, schedule: Schedule): Promise<TickDecision> {
  const runId = tickRunId(tick);
  await settleTick(db, tick, { run_id: runId });
  const { input } = await insertScheduleRun(db, { schedule, runId, trigger: 'schedule', actor: 'system:scheduler' });
  return { action: 'start', input };
}

const isSettled = (tick: Tick): boolean => tick.run_id !== null || tick.skipped_reason !== null;

/** The answer to an earlier call was lost: the same run is started, unless it has begun meanwhile. */
async function again(db: Database, { workspaceId }: TickInput, { run_id: runId }: Tick): Promise<TickDecision> {
  const input = runId === null ? null : await queuedRun(db, { workspaceId, runId });
  return input === null ? IGNORE : { action: 'start', input };
}

/** Not a time of the rule, or so late that the next time has come as well: after an outage only the newest is made up for. */
function comesToNothing({ cron_expr: expression, timezone }: Schedule, tick: TickInput, now: number): boolean {
  const scheduledAt = Date.parse(tick.scheduledAt);
  const times = cronTimes({ expression, timezone });
  if (times.isStray(scheduledAt)) return true;
  const next = times.next(scheduledAt);
  return next !== null && next <= now;
}

function busyReason({ overlap }: Schedule, open: OpenRuns, limit: number): string | null {
  const ownInTheWay = overlap === 'skip' && open.own > 0;
  if (!ownInTheWay && open.active < limit) return null;
  const tasks = open.active + (ownInTheWay ? open.ownWaiting : 0);
  const reason = `skipped: workspace busy (active_tasks=${tasks})`;
  return ownInTheWay ? `${reason}; run ${open.ownRunId} of this schedule is still open` : reason;
}
