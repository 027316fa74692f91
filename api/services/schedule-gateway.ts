import type { CronRule } from '../../workflows/definition/cron-times.js';

export interface ScheduleRef {
  readonly workspaceId: string;
  readonly scheduleId: string;
}

export interface SyncedSchedule {
  readonly nextRunAt: Date | null;
  /** When `upsert` is due again although nothing changed. */
  readonly resyncAt: Date;
}

/** Temporal's side of a schedule. Every call may be repeated, and gives up after a few seconds. */
export interface ScheduleGateway {
  readonly upsert: (
    schedule: ScheduleRef & { readonly rule: CronRule; readonly enabled: boolean },
  ) => Promise<SyncedSchedule>;
  /** Also where there is none. */
  readonly remove: (ref: ScheduleRef) => Promise<void>;
  /** The next time Temporal will fire; null when paused or unknown. */
  readonly nextRunAt: (ref: ScheduleRef & { readonly rule: CronRule }) => Promise<Date | null>;
}
