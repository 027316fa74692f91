import { Cron } from 'croner';

/** Five fields, numbers only: what every reader of it (ours and Temporal's) understands in the same way. */
export type CronCheck = { readonly expression: string } | { readonly problem: string };

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly words: readonly string[];
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const MINUTE: Field = { name: 'minute', min: 0, max: 59, words: [] };
const HOUR: Field = { name: 'hour', min: 0, max: 23, words: [] };
const WEEKDAY: Field = { name: 'day of week', min: 0, max: 7, words: DAYS };
const FIELDS: readonly Field[] = [
  MINUTE,
  HOUR,
  { name: 'day of month', min: 1, max: 31, words: [] },
  { name: 'month', min: 1, max: 12, words: MONTHS },
  WEEKDAY,
];

const NICKNAMES: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

/**
 * Reads a cron expression of five fields, or a nickname such as `@daily`.
 * `L`, `W`, `#` and `?` are refused: Temporal reads `#` as a comment and the others not at all.
 */
export function readCron(text: string): CronCheck {
  const trimmed = text.trim();
  const fields = (NICKNAMES[trimmed.toLowerCase()] ?? trimmed).split(/\s+/);
  if (fields.length !== FIELDS.length || trimmed === '') {
    return { problem: `"${trimmed}" is no cron expression: give minute, hour, day of month, month and day of week` };
  }
  const read = FIELDS.map((field, index) => readField(field, fields[index] ?? ''));
  const problem = read.find((each) => 'problem' in each);
  if (problem !== undefined) return problem;
  const parts = read.map((each) => ('expression' in each ? each.expression : ''));
  return checkFires([...parts.slice(0, -1), withoutSeven(parts.at(-1) ?? '')].join(' '));
}

/** Temporal drops the Sunday that a stepped range ends with as 7, so it is written as 0. */
const withoutSeven = (weekdays: string): string =>
  weekdays.includes('7')
    ? [...new Set(valuesOf(weekdays, WEEKDAY).map((day) => day % 7))].toSorted((a, b) => a - b).join(',')
    : weekdays;

/** What a field names, ascending: `1-5/2` is 1, 3 and 5. Only for fields that `readCron` gave. */
function valuesOf(field: string, { min, max }: { readonly min: number; readonly max: number }): readonly number[] {
  const values = new Set<number>();
  for (const item of field.split(',')) {
    const [range = '', step = '1'] = item.split('/');
    const [first = '', last = first] = range === '*' ? [String(min), String(max)] : range.split('-');
    for (let value = Number(first); value <= Number(last); value += Number(step)) values.add(value);
  }
  return [...values].toSorted((a, b) => a - b);
}

export const minutesOf = (expression: string): readonly number[] => valuesOf(expression.split(' ')[0] ?? '', MINUTE);
export const hoursOf = (expression: string): readonly number[] => valuesOf(expression.split(' ')[1] ?? '', HOUR);

/** Cron's own rule: where both day fields are limited, a day fits when either does. */
export function daysAreAlternatives(expression: string): boolean {
  const [, , dayOfMonth, , dayOfWeek] = expression.split(' ');
  return dayOfMonth !== '*' && dayOfWeek !== '*';
}

function readField(field: Field, text: string): CronCheck {
  if (text === '*') return { expression: text };
  const items = text.split(',').map((item) => readItem(field, item));
  if (items.includes(null)) {
    return {
      problem: `"${text}" is no ${field.name}: numbers from ${field.min} to ${field.max}, as 1,3 or 1-5 or */2`,
    };
  }
  return { expression: items.join(',') };
}

/** `a`, `a-b`, `a-b/n`, a step of `*`, and `a/n`, which means from `a` to the end. */
function readItem(field: Field, item: string): string | null {
  const [range = '', step, ...rest] = item.split('/');
  if (rest.length > 0) return null;
  if (step === undefined) return readRange(field, range);
  if (!/^\d+$/.test(step) || Number(step) < 1 || Number(step) > field.max) return null;
  const stepped = range === '*' ? range : readRange(field, range.includes('-') ? range : `${range}-${field.max}`);
  return stepped === null ? null : `${stepped}/${Number(step)}`;
}

function readRange(field: Field, text: string): string | null {
  const [from = '', to = from, ...rest] = text.split('-');
  const first = readNumber(field, from);
  const last = readNumber(field, to);
  if (first === null || last === null || last < first || rest.length > 0) return null;
  return text.includes('-') ? `${first}-${last}` : String(first);
}

function readNumber({ min, max, words }: Field, text: string): number | null {
  const word = words.indexOf(text.toLowerCase());
  if (word >= 0) return word + min;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : null;
}

function checkFires(expression: string): CronCheck {
  try {
    const next = new Cron(expression, { mode: '5-part', timezone: 'UTC', paused: true }).nextRun();
    return next === null ? { problem: `"${expression}" never comes: there is no such date` } : { expression };
  } catch (error) {
    return { problem: error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error) };
  }
}
