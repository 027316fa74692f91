import { Cron } from 'croner';
import { daysAreAlternatives, hoursOf, minutesOf } from './cron.js';
import { canonicalZone, clockChanges, instantsOf, offsetAt } from './zones.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Longer than clocks are moved by, and than Temporal's calendar stays wrong after it (75 minutes were seen). */
const AROUND_CHANGE = 4 * HOUR;
/** How far ahead a Temporal Schedule is told of clock changes. */
const CORRECTED_FOR = 550 * DAY;
const CATCH_UP_SAMPLES = 500;

export interface CronRule {
  /** As `readCron` gives it. */
  readonly expression: string;
  readonly timezone: string;
}

/**
 * When a cron rule fires, all times epoch milliseconds.
 * A rule of every hour follows real time: nothing is missing or doubled when clocks are moved.
 * Any other rule names times of the day, and each comes once a day: in a gap at the gap's end, in a repeated hour the first time.
 */
export interface CronTimes {
  /** The first time later than `after`; null when there is none. */
  readonly next: (after: number) => number | null;
  /** The times in `(from, to]`, ascending. */
  readonly between: (from: number, to: number) => readonly number[];
  /**
   * Near a change of the clocks and not one of the rule's times: Temporal fires twice where an hour repeats, and east of
   * Greenwich also at wrong times. Far from a change nothing is stray, so that a person may fire a schedule at any time.
   */
  readonly isStray: (at: number) => boolean;
}

export function cronTimes({ expression, timezone }: CronRule): CronTimes {
  const cron = new Cron(expression, { mode: '5-part', timezone: 'UTC', paused: true });
  const clock: Clock = {
    zone: canonicalZone(timezone) ?? 'UTC',
    followsRealTime: isEveryHour(expression),
    nextWall: (wall) => cron.nextRun(new Date(wall))?.getTime() ?? null,
  };
  return {
    next: (after) => nextTime(clock, after),
    between: (from, to) => timesBetween(clock, from, to),
    isStray: (at) => isStray(clock, at),
  };
}

interface Clock {
  readonly zone: string;
  readonly followsRealTime: boolean;
  /** The first wall time of the rule later than `wall`. */
  readonly nextWall: (wall: number) => number | null;
}

function nextTime(clock: Clock, after: number): number | null {
  const { zone, nextWall } = clock;
  for (let from = after; ;) {
    const offset = offsetAt(zone, from);
    const calm = isCalm(zone, from);
    const wall = nextWall(from + offset - (calm ? 0 : AROUND_CHANGE));
    if (wall === null) return null;
    const guess = wall - offset;
    if (calm && isCalm(zone, guess) && offsetAt(zone, guess) === offset) return guess;
    const near = Math.max(from, guess - AROUND_CHANGE);
    const [first] = timesBetween(clock, near, near + 2 * AROUND_CHANGE);
    if (first !== undefined) return first;
    from = near + 2 * AROUND_CHANGE;
  }
}

function timesBetween(clock: Clock, from: number, to: number): readonly number[] {
  const { zone, nextWall } = clock;
  const found = new Set<number>();
  const last = to + offsetAt(zone, to) + AROUND_CHANGE;
  let wall = nextWall(from + offsetAt(zone, from) - AROUND_CHANGE);
  for (; wall !== null && wall <= last; wall = nextWall(wall)) {
    for (const at of firings(clock, wall)) if (at > from && at <= to) found.add(at);
  }
  return [...found].toSorted((a, b) => a - b);
}

/** The instants at which a wall time of the rule fires. */
function firings({ zone, followsRealTime }: Clock, wall: number): readonly number[] {
  const instants = instantsOf(zone, wall);
  if (followsRealTime) return instants;
  return instants.length === 0 ? clockChanges(zone, wall - DAY, wall + DAY).slice(0, 1) : instants.slice(0, 1);
}

function isStray({ zone, followsRealTime, nextWall }: Clock, at: number): boolean {
  if (isCalm(zone, at)) return false;
  const wall = at + offsetAt(zone, at);
  if (nextWall(wall - 1) === wall) return !followsRealTime && instantsOf(zone, wall)[0] !== at;
  const skipped = nextWall(at + offsetAt(zone, at - 1) - 1);
  return followsRealTime || skipped === null || skipped >= wall;
}

const isCalm = (zone: string, at: number): boolean =>
  offsetAt(zone, at - AROUND_CHANGE) === offsetAt(zone, at + AROUND_CHANGE);

/** What a Temporal Schedule is told so that it fires at every time of the rule; see docs/decisions/0003-schedules.md. */
export interface TemporalTimes {
  readonly cronExpressions: readonly string[];
  readonly timezone: string;
  /** Single instants that Temporal's own calendar would miss. */
  readonly once: readonly number[];
  /** The instants reach this far; the Temporal Schedule is to be renewed well before. */
  readonly correctedUntil: number;
  /** Longest pause between two times: an outage is followed by one late time, not by none and not by many. */
  readonly catchUpMs: number;
}

export function temporalTimes(rule: CronRule, now: number): TemporalTimes {
  const zone = canonicalZone(rule.timezone) ?? 'UTC';
  const correctedUntil = now + CORRECTED_FOR;
  const changes = clockChanges(zone, now - DAY, correctedUntil);
  const catchUpMs = longestPause(rule.expression, now);
  const inUtc = asUtc(
    rule.expression,
    [now, ...changes].map((at) => offsetAt(zone, at)),
  );
  if (inUtc !== null) return { cronExpressions: [inUtc], timezone: 'UTC', once: [], correctedUntil, catchUpMs };
  const { between } = cronTimes(rule);
  const once = changes.flatMap((at) => between(at - AROUND_CHANGE, at + AROUND_CHANGE)).filter((at) => at > now);
  return { cronExpressions: alternatives(rule.expression), timezone: zone, once, correctedUntil, catchUpMs };
}

const isEveryHour = (expression: string): boolean => hoursOf(expression).length === 24;

/** Temporal fires only where both day fields fit, so either becomes an expression of its own. */
function alternatives(expression: string): readonly string[] {
  if (!daysAreAlternatives(expression)) return [expression];
  const [minute, hour, dayOfMonth, month, dayOfWeek] = expression.split(' ');
  return [`${minute} ${hour} ${dayOfMonth} ${month} *`, `${minute} ${hour} * ${month} ${dayOfWeek}`];
}

/** A rule of every hour of every day is the same in UTC, where no clock is moved, if its zone only shifts by whole hours. */
function asUtc(expression: string, offsets: readonly number[]): string | null {
  const [, , ...days] = expression.split(' ');
  const shift = ((offsets[0] ?? 0) / MINUTE) % 60;
  const wholeHours = offsets.every((offset) => (offset / MINUTE) % 60 === shift);
  if (!isEveryHour(expression) || !wholeHours || days.some((field) => field !== '*')) return null;
  const minutes = minutesOf(expression).map((minute) => (minute - shift + 60) % 60);
  return minutes.length === 60 ? '* * * * *' : `${minutes.toSorted((a, b) => a - b).join(',')} * * * *`;
}

function longestPause(expression: string, now: number): number {
  const cron = new Cron(expression, { mode: '5-part', timezone: 'UTC', paused: true });
  const times = cron.nextRuns(CATCH_UP_SAMPLES, new Date(now)).map((at) => at.getTime());
  const pauses = times.slice(1).map((at, index) => at - (times[index] ?? at));
  const longest = Math.max(MINUTE, ...pauses);
  return Math.min(isEveryHour(expression) ? longest : longest + HOUR, 366 * DAY);
}
