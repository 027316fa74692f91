import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type Client,
  type ScheduleOptions,
  type ScheduleSpec,
} from '@temporalio/client';
import { scheduleTemporalId } from '../../workflows/contract/ids.js';
import { ENGINE_QUEUE } from '../../workflows/contract/queues.js';
import { cronTimes, temporalTimes, type TemporalTimes } from '../../workflows/definition/cron-times.js';
import type { ScheduleGateway, ScheduleRef, SyncedSchedule } from '../services/schedule-gateway.js';

const DAY = 24 * 3_600_000;
const DEADLINE_MS = 2_500;
/** Far longer than the schedule goes unrenewed: what recurs at this pace happens once. */
const ONCE_EVERY_MS = 10_000 * DAY;

export function createScheduleGateway({ client }: { readonly client: Client }): ScheduleGateway {
  const patient = <T>(call: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + DEADLINE_MS, call);
  const handleOf = ({ workspaceId, scheduleId }: ScheduleRef) =>
    client.schedule.getHandle(scheduleTemporalId(workspaceId, scheduleId));

  const nextRunAt: ScheduleGateway['nextRunAt'] = async ({ rule, ...ref }) => {
    const { info, state } = await patient(() => handleOf(ref).describe());
    if (state.paused) return null;
    const { isStray } = cronTimes(rule);
    return info.nextActionTimes.find((at) => at.getTime() > Date.now() && !isStray(at.getTime())) ?? null;
  };

  const upsert: ScheduleGateway['upsert'] = async ({ rule, enabled, ...ref }): Promise<SyncedSchedule> => {
    const now = Date.now();
    const times = temporalTimes(rule, now);
    const options = optionsOf(ref, times, enabled);
    await patient(() => createOrUpdate(client, options));
    return {
      nextRunAt: enabled ? await nextRunAt({ rule, ...ref }) : null,
      resyncAt: new Date(now + (times.correctedUntil - now) / 3),
    };
  };

  const remove: ScheduleGateway['remove'] = async (ref) => {
    try {
      await patient(() => handleOf(ref).delete());
    } catch (error) {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
    }
  };

  return { upsert, remove, nextRunAt };
}

async function createOrUpdate(client: Client, options: ScheduleOptions): Promise<void> {
  try {
    await client.schedule.create(options);
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    const { spec, action, policies, state } = options;
    const update = { spec, action, ...(policies && { policies }), state: { paused: state?.paused ?? false } };
    await client.schedule.getHandle(options.scheduleId).update(() => update);
  }
}

function optionsOf(ref: ScheduleRef, times: TemporalTimes, enabled: boolean): ScheduleOptions {
  // Named first: `priority` is sent on but missing from the type of a new schedule's action.
  const action = {
    type: 'startWorkflow' as const,
    workflowType: 'cronTick',
    workflowId: `cron-tick/${ref.workspaceId}/${ref.scheduleId}`,
    taskQueue: ENGINE_QUEUE,
    args: [{ workspaceId: ref.workspaceId, scheduleId: ref.scheduleId }],
    priority: { fairnessKey: ref.workspaceId },
  };
  return {
    scheduleId: scheduleTemporalId(ref.workspaceId, ref.scheduleId),
    spec: scheduleSpec(times),
    action,
    // The tick applies the schedule's own overlap policy, so that a skipped run is a row and not a counter.
    policies: { overlap: ScheduleOverlapPolicy.ALLOW_ALL, catchupWindow: times.catchUpMs },
    state: { paused: !enabled },
  };
}

/** An instant outside the calendar is an interval so long that it comes once; its offset must lie before the present. */
export function scheduleSpec({ cronExpressions, timezone, once }: TemporalTimes): ScheduleSpec {
  return {
    cronExpressions: [...cronExpressions],
    timezone,
    intervals: once.map((at) => ({ every: ONCE_EVERY_MS, offset: at % ONCE_EVERY_MS })),
  };
}
