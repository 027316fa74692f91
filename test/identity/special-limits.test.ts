import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { addressKey, giveBack, holdToLimits, HOUR, limitKey } from '../../api/services/special-limits.js';
import { testDatabase, type TestDatabase } from './support.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

const limit = (key: string, points: number) => ({ key, points, seconds: HOUR, message: 'Too many letters.' });
const take = async (...limits: ReturnType<typeof limit>[]): Promise<number> =>
  holdToLimits(database.db, limits).then(
    () => 200,
    ({ status }: { status: number }) => status,
  );

test('exactly so many pass, of any number at once, and the rest hear when to come back', async () => {
  const statuses = await Promise.all(Array.from({ length: 12 }, () => take(limit('crowd', 5))));
  expect(statuses.filter((status) => status === 200)).toHaveLength(5);
  await expect(holdToLimits(database.db, [limit('crowd', 5)])).rejects.toMatchObject({
    status: 429,
    message: expect.stringMatching(/^Too many letters\. Try again in \d+ s\.$/),
    headers: { 'retry-after': expect.stringMatching(/^3[56]\d\d$/) },
  });
});

test('who is refused by the first limit is not counted in the later ones', async () => {
  const [caller, named] = [limit('caller', 1), limit('named', 2)];
  expect([await take(caller, named), await take(caller, named), await take(caller, named)]).toEqual([200, 429, 429]);
  expect([await take(named), await take(named)]).toEqual([200, 429]);
});

test('what is given back does not count, and a window that is over begins anew', async () => {
  const one = limit('one', 1);
  expect(await take(one)).toBe(200);
  await giveBack(database.db, one);
  expect([await take(one), await take(one)]).toEqual([200, 429]);
  await sql`update rate_limits set expire = 1 where key = 'one'`.execute(database.db);
  expect(await take(one)).toBe(200);
});

test('keys show nobody’s address; of IPv6 the network is one caller', () => {
  expect(limitKey('mail', 'ada@example.com')).toMatch(/^mail:[0-9a-f]{64}$/);
  expect(addressKey('mail', '203.0.113.7')).not.toContain('203');
  expect(addressKey('mail', '2001:db8::1')).toBe(addressKey('mail', '2001:db8:0:0:ffff::2'));
  expect(addressKey('mail', '2001:db8::1')).not.toBe(addressKey('mail', '2001:db8:0:1::1'));
  expect(addressKey('mail', '::ffff:203.0.113.7')).toBe(addressKey('mail', '203.0.113.7'));
});
