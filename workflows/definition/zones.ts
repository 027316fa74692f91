/** Time zones as wall clocks: a wall time is the local date and time written as if it were UTC, in milliseconds. */

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;
/** Clocks are moved on a quarter of an hour of UTC everywhere, so an offset holds for the whole of one. */
const QUARTER = HOUR / 4;
const REMEMBERED = 10_000;
const formats = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, number>();

/** The name the zone database calls it by (`US/Eastern` is `America/New_York`), or null where there is no such zone. */
export function canonicalZone(name: string): string | null {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** How far the zone's clocks are ahead of UTC at an instant, in milliseconds. */
export function offsetAt(zone: string, at: number): number {
  const quarter = Math.floor(at / QUARTER) * QUARTER;
  const key = `${zone}/${quarter}`;
  const known = offsets.get(key);
  if (known !== undefined) return known;
  if (offsets.size >= REMEMBERED) offsets.clear();
  const offset = readOffset(zone, quarter);
  offsets.set(key, offset);
  return offset;
}

function readOffset(zone: string, at: number): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatOf(zone).formatToParts(at)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - at;
}

/** When the zone's clocks show this wall time: mostly once, never inside a gap, twice where an hour repeats. Ascending. */
export function instantsOf(zone: string, wall: number): readonly number[] {
  const candidates = new Set([offsetAt(zone, wall - DAY), offsetAt(zone, wall + DAY)]);
  return [...candidates]
    .map((offset) => wall - offset)
    .filter((at) => at + offsetAt(zone, at) === wall)
    .toSorted((a, b) => a - b);
}

/** The instants in `(from, to]` at which the zone's clocks are moved. */
export function clockChanges(zone: string, from: number, to: number): readonly number[] {
  const changes: number[] = [];
  for (let start = from; start < to; start += WEEK) {
    const end = Math.min(start + WEEK, to);
    if (offsetAt(zone, start) !== offsetAt(zone, end)) changes.push(changeBetween(zone, start, end));
  }
  return changes;
}

function changeBetween(zone: string, from: number, to: number): number {
  const before = offsetAt(zone, from);
  let low = Math.floor(from / 1_000);
  let high = Math.ceil(to / 1_000);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(zone, middle * 1_000) === before) low = middle;
    else high = middle;
  }
  return high * 1_000;
}

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, format);
  }
  return format;
}
