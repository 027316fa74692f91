import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import fc from 'fast-check';
import { scheduleSpec } from '../../api/temporal/schedules.js';
import { readCron } from '../../workflows/definition/cron.js';
import { cronTimes, temporalTimes } from '../../workflows/definition/cron-times.js';
import { localEnvironment } from '../support/temporal.js';

// What the server itself says it will do with our specs, compared with the rule.

const HOUR = 3_600_000;
let env: TestWorkflowEnvironment;
let count = 0;

jest.setTimeout(60_000);

beforeAll(async () => {
  env = await localEnvironment();
});
afterAll(async () => {
  await env.teardown();
});

async function temporalFires(
  rule: { readonly expression: string; readonly timezone: string },
  from: number,
  to: number,
): Promise<readonly number[]> {
  const { client } = env;
  count += 1;
  const scheduleId = `times-${count}`;
  const handle = await client.schedule.create({
    scheduleId,
    spec: scheduleSpec(temporalTimes(rule, from - HOUR)),
    state: { paused: true },
    action: { type: 'startWorkflow', workflowType: 'none', taskQueue: 'none' },
  });
  const { startTime } = await client.workflowService.listScheduleMatchingTimes({
    namespace: client.options.namespace,
    scheduleId,
    startTime: { seconds: from / 1_000, nanos: 0 },
    endTime: { seconds: to / 1_000, nanos: 0 },
  } as never);
  await handle.delete();
  return startTime.map(({ seconds }) => Number(seconds) * 1_000).filter((at) => at > from);
}

async function expectAgreement(rule: { expression: string; timezone: string }, from: number, to: number) {
  const { between, isStray } = cronTimes(rule);
  const fired = await temporalFires(rule, from, to);
  const kept = fired.filter((at) => !isStray(at)).map((at) => new Date(at).toISOString());
  expect({ rule, times: kept }).toEqual({ rule, times: between(from, to).map((at) => new Date(at).toISOString()) });
}

const changes: ReadonlyArray<readonly [string, string]> = [
  ['America/New_York', '2027-03-14'],
  ['America/New_York', '2027-11-07'],
  ['Europe/Berlin', '2027-03-28'],
  ['Europe/Berlin', '2027-10-31'],
  ['Australia/Lord_Howe', '2027-04-03'],
  ['Australia/Lord_Howe', '2027-10-02'],
  ['Africa/Cairo', '2027-04-30'],
  ['Africa/Cairo', '2027-10-29'],
];
const rules = [
  '30 2 * * *',
  '30 1 * * *',
  '30 0 * * *',
  '30 23 * * *',
  '*/30 * * * *',
  '0 */2 * * *',
  '*/20 1-3 * * 0,6',
];

test.each(changes)('around the change of clocks in %s on %s', async (timezone, day) => {
  for (const expression of rules) {
    await expectAgreement({ expression, timezone }, Date.parse(day) - 16 * HOUR, Date.parse(day) + 40 * HOUR);
  }
});

test('random expressions mean the same to Temporal', async () => {
  const range = (min: number, max: number): fc.Arbitrary<string> =>
    fc
      .tuple(fc.integer({ min, max }), fc.integer({ min, max }), fc.integer({ min: 1, max: 3 }))
      .map(([a, b, step]) => (a < b ? `${a}-${b}/${step}` : `${a}`));
  const field = (min: number, max: number): fc.Arbitrary<string> =>
    fc.oneof(
      fc.constant('*'),
      fc.constant('*/2'),
      range(min, max),
      fc.array(range(min, max), { minLength: 2, maxLength: 3 }).map((items) => items.join(',')),
    );
  const expression = fc
    .tuple(fc.integer({ min: 0, max: 59 }).map(String), field(0, 23), field(1, 28), field(1, 12), field(0, 7))
    .map((fields) => fields.join(' '));
  const from = Date.parse('2027-05-25T00:00:00Z');
  await fc.assert(
    fc.asyncProperty(expression, async (text) => {
      const read = readCron(text);
      if (!('expression' in read)) throw new Error(read.problem);
      await expectAgreement({ expression: read.expression, timezone: 'UTC' }, from, from + 30 * 24 * HOUR);
    }),
    { numRuns: 60 },
  );
});

test.each(['0 * * 5 1-7/1', '0 9 * * 1-7/3', '0 9 * * 5/2', '0 9 * * 7'])('a Sunday written as 7: %s', async (text) => {
  const read = readCron(text);
  if (!('expression' in read)) throw new Error(read.problem);
  const from = Date.parse('2027-05-25T00:00:00Z');
  await expectAgreement({ expression: read.expression, timezone: 'UTC' }, from, from + 14 * 24 * HOUR);
});

test('the server knows every zone we accept by the name we give it', async () => {
  for (const timezone of ['UTC', 'US/Eastern', 'asia/kolkata', 'Europe/Kyiv', 'EST', 'Etc/GMT+5']) {
    await expectAgreement({ expression: '0 9 * * *', timezone }, Date.parse('2027-06-01'), Date.parse('2027-06-04'));
  }
});
