import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readCron } from '../../workflows/definition/cron.js';
import { cronTimes, temporalTimes } from '../../workflows/definition/cron-times.js';

const at = (iso: string): number => Date.parse(iso);
const iso = (time: number): string => new Date(time).toISOString();

function times(expression: string, timezone: string, between: readonly [string, string]): readonly string[] {
  return cronTimes({ expression, timezone }).between(at(between[0]), at(between[1])).map(iso);
}

describe('readCron', () => {
  test.each([
    ['0 9 * * *', '0 9 * * *'],
    [' 00  09 * *  mon-fri ', '0 9 * * 1-5'],
    ['5/15 * * * *', '5-59/15 * * * *'],
    ['*/10 0-12/2 1,15 jan,Jul 7', '*/10 0-12/2 1,15 1,7 0'],
    ['@hourly', '0 * * * *'],
    ['@Daily', '0 0 * * *'],
    ['0 0 29 2 *', '0 0 29 2 *'],
  ])('%s is %s', (text, expression) => {
    expect(readCron(text)).toEqual({ expression });
  });

  test.each([
    '',
    'every day',
    '* * * *',
    '0 * * * * *',
    '60 * * * *',
    '* 24 * * *',
    '0 0 0 * *',
    '0 0 * 13 *',
    '0 0 * * 8',
    '0 22-2 * * *',
    '*/0 * * * *',
    '*/70 * * * *',
    '1,,2 * * * *',
    '1- * * * *',
    '-5 * * * *',
    '1-2-3 * * * *',
    '*/5/5 * * * *',
    '*,1 * * * *',
    '0 0 L * *',
    '0 0 * * 1#2',
    '0 0 15W * *',
    '0 0 ? * *',
    '0 0 * * Monday',
    'TZ=UTC 0 0 * * *',
    '@every 1h',
    '@reboot',
    '0 0 31 2 *',
  ])('%p is refused with a sentence', (text) => {
    expect(readCron(text)).toEqual({ problem: expect.stringMatching(/\S+ \S+/) });
  });

  test('any text is read or refused, and what is read reads as itself', () => {
    const field = fc.oneof(fc.constantFrom('*', '*/2', '1-5', '3', '0-6/2', '1,3', 'x', '99', '4/3'), fc.string());
    fc.assert(
      fc.property(fc.array(field, { minLength: 4, maxLength: 6 }), (fields) => {
        const read = readCron(fields.join(' '));
        if ('expression' in read) expect(readCron(read.expression)).toEqual(read);
      }),
    );
  });
});

describe('when clocks are moved', () => {
  const spring: readonly [string, string] = ['2027-03-13T00:00:00Z', '2027-03-16T00:00:00Z'];
  const autumn: readonly [string, string] = ['2027-11-06T00:00:00Z', '2027-11-09T00:00:00Z'];

  test('a time inside the gap comes at its end', () => {
    expect(times('30 2 * * *', 'America/New_York', spring)).toEqual([
      '2027-03-13T07:30:00.000Z',
      '2027-03-14T07:00:00.000Z',
      '2027-03-15T06:30:00.000Z',
    ]);
  });

  test('several times inside the gap come together', () => {
    expect(times('0,30 2 * * *', 'America/New_York', ['2027-03-14T00:00:00Z', '2027-03-15T00:00:00Z'])).toEqual([
      '2027-03-14T07:00:00.000Z',
    ]);
  });

  test('a repeated time comes once, the first time', () => {
    expect(times('30 1 * * *', 'America/New_York', autumn)).toEqual([
      '2027-11-06T05:30:00.000Z',
      '2027-11-07T05:30:00.000Z',
      '2027-11-08T06:30:00.000Z',
    ]);
  });

  test.each(['America/New_York', 'Europe/Berlin', 'Australia/Lord_Howe', 'Africa/Cairo', 'Asia/Kolkata'])(
    'every half hour stays every half hour in %s',
    (timezone) => {
      const { between } = cronTimes({ expression: '*/30 * * * *', timezone });
      for (const day of ['2027-03-14', '2027-03-28', '2027-04-03', '2027-10-02', '2027-10-29', '2027-10-31']) {
        const found = between(at(day) - 1, at(day) + 36 * 3_600_000);
        expect(found.slice(1).every((time, index) => time - (found[index] ?? 0) === 1_800_000)).toBe(true);
        expect(found).toHaveLength(73);
      }
    },
  );

  test('a daily rule comes once each local day, whatever the zone, hour and day', () => {
    const zones = ['America/New_York', 'Europe/Berlin', 'Australia/Lord_Howe', 'Africa/Cairo', 'Africa/Casablanca'];
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.integer({ min: 0, max: 23 }),
        fc.integer({ min: 0, max: 59 }),
        (timezone, hour, minute) => {
          const { between } = cronTimes({ expression: `${minute} ${hour} * * *`, timezone });
          const days = between(at('2027-01-01'), at('2028-01-01')).map((time) =>
            new Date(time).toLocaleDateString('en-CA', { timeZone: timezone }),
          );
          expect(new Set(days).size).toBe(days.length);
          expect(days.length).toBe(365);
        },
      ),
      { numRuns: 25 },
    );
  });

  test('the next time agrees with the list of times', () => {
    const rules = ['30 2 * * *', '30 1 * * *', '15 * * * *', '*/20 1-3 * * *', '0 0 29 2 *', '0 9 * * 1'];
    fc.assert(
      fc.property(
        fc.constantFrom(...rules),
        fc.constantFrom('America/New_York', 'Europe/Berlin', 'Australia/Lord_Howe'),
        fc.integer({ min: at('2027-03-01') / 60_000, max: at('2027-11-30') / 60_000 }),
        (expression, timezone, minute) => {
          const { next, between, isStray } = cronTimes({ expression, timezone });
          const after = minute * 60_000;
          const found = next(after);
          const listed = between(after, after + 15 * 24 * 3_600_000);
          if (listed.length > 0) expect(found).toBe(listed[0]);
          if (found !== null) expect(isStray(found)).toBe(false);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('only near a change is anything stray', () => {
    const { isStray } = cronTimes({ expression: '30 1 * * *', timezone: 'America/New_York' });
    expect(isStray(at('2027-11-07T06:30:00Z'))).toBe(true);
    expect(isStray(at('2027-11-07T05:30:00Z'))).toBe(false);
    expect(isStray(at('2027-06-01T12:34:56Z'))).toBe(false);
  });
});

describe('what Temporal is told', () => {
  const now = at('2027-01-15T00:00:00Z');

  test('both day fields limited: two expressions, as either suffices', () => {
    const rule = { expression: '0 9 13 * 5', timezone: 'UTC' };
    expect(temporalTimes(rule, now).cronExpressions).toEqual(['0 9 13 * *', '0 9 * * 5']);
  });

  test('a rule of every hour is given in UTC, shifted by the minutes of its zone', () => {
    const spec = temporalTimes({ expression: '0,15 * * * *', timezone: 'Asia/Kolkata' }, now);
    expect(spec).toMatchObject({ cronExpressions: ['30,45 * * * *'], timezone: 'UTC', once: [] });
  });

  test('the end of each gap is added where a time falls into it', () => {
    const spec = temporalTimes({ expression: '30 2 * * *', timezone: 'America/New_York' }, now);
    expect(spec.timezone).toBe('America/New_York');
    expect(spec.once.map(iso)).toContain('2027-03-14T07:00:00.000Z');
    expect(temporalTimes({ expression: '0 9 * * *', timezone: 'America/New_York' }, now).once).toEqual([]);
  });

  test.each([
    ['*/5 * * * *', 5 / 60],
    ['0 * * * *', 1],
    ['0 9 * * *', 25],
    ['0 9 * * 1-5', 73],
    ['0 9 1 1 *', 366 * 24],
  ])('%s is made up for within its longest pause', (expression, hours) => {
    expect(temporalTimes({ expression, timezone: 'UTC' }, now).catchUpMs).toBe(hours * 3_600_000);
  });
});
