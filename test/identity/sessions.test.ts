import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import { sql } from 'kysely';
import { deriveKey } from '../../db/crypto.js';
import {
  countQueries,
  createWorld,
  personOf,
  signUp,
  testDatabase,
  type Answer,
  type TestDatabase,
  type World,
} from './support.js';

let database: TestDatabase;
let world: World;
beforeAll(async () => {
  database = await testDatabase();
  world = createWorld(database.db);
});
afterAll(() => database.close());

const status = (wanted: number) => expect.objectContaining({ status: wanted });
const refresh = (token: string): Promise<Answer> => world.call('auth.refresh', { body: { refresh_token: token } });
const auditActions = async (userId: string): Promise<string[]> =>
  (
    await database.db
      .selectFrom('audit_events')
      .select('action')
      .where('entity_id', '=', userId)
      .orderBy('id')
      .execute()
  ).map((row) => row.action);

describe('access token', () => {
  test('holds the documented claims', async () => {
    const person = await signUp(world);
    expect(decodeJwt(person.bearer)).toMatchObject({
      sub: `user:${person.id}`,
      sid: expect.stringMatching(/^ses_/),
      ws: person.workspace,
      tenant_id: expect.stringMatching(/^ten_/),
      type: 'access',
      iat: expect.any(Number),
      exp: expect.any(Number),
    });
  });

  test('costs one query', async () => {
    const person = await signUp(world);
    const queries = await countQueries(database.db, (db) =>
      createWorld(db).authenticate('member', { bearer: person.bearer, workspace: person.workspace }),
    );
    expect(queries).toBe(1);
  });

  const sign = (bearer: string, change: Record<string, unknown>, key = deriveKey(Buffer.alloc(32, 7), 'jwt')) =>
    new SignJWT({ ...decodeJwt(bearer), ...change })
      .setProtectedHeader({ alg: 'HS256', kid: decodeProtectedHeader(bearer).kid ?? '' })
      .sign(key);

  test.each([
    ['expired', { exp: 1 }],
    ['of another issuer', { iss: 'other' }],
    ['for another audience', { aud: 'other' }],
    ['of another type', { type: 'refresh' }],
    ['of another user', { sub: 'usr_other' }],
  ])('%s is refused', async (_, change) => {
    const { bearer } = await signUp(world);
    await expect(world.authenticate('member', { bearer: await sign(bearer, {}) })).resolves.toBeDefined();
    await expect(world.authenticate('member', { bearer: await sign(bearer, change) })).rejects.toEqual(status(401));
  });

  test('without or with another signature it is refused', async () => {
    const { bearer } = await signUp(world);
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${bearer.split('.')[1]}.`;
    await expect(world.authenticate('member', { bearer: none })).rejects.toEqual(status(401));
    await expect(world.authenticate('member', { bearer: await sign(bearer, {}, Buffer.alloc(32, 9)) })).rejects.toEqual(
      status(401),
    );
  });
});

describe('refresh', () => {
  test('gives a new pair by body, and by cookie without showing it in the body', async () => {
    const person = await signUp(world);
    const byBody = await refresh(person.refresh);
    expect(byBody.body.refresh_token).toBe(personOf(byBody).refresh);
    expect(byBody.body.workspace).toMatchObject({ id: person.workspace, role: 'owner' });
    const byCookie = await world.call('auth.refresh', { cookies: { keelson_refresh: personOf(byBody).refresh } });
    expect(byCookie.body).not.toHaveProperty('refresh_token');
    expect(personOf(byCookie).refresh).not.toBe(personOf(byBody).refresh);
    await expect(world.authenticate('user', { bearer: byCookie.body.access_token })).resolves.toMatchObject({
      id: person.id,
    });
  });

  test('of two at the same moment one wins, and the session lives on', async () => {
    const person = await signUp(world);
    const twins = await Promise.allSettled([refresh(person.refresh), refresh(person.refresh)]);
    const winner = twins.find((twin) => twin.status === 'fulfilled');
    const loser = twins.find((twin) => twin.status === 'rejected');
    expect(loser?.reason).toEqual(status(401));
    if (winner === undefined) throw new Error('nobody won');
    await expect(refresh(personOf(winner.value).refresh)).resolves.toBeDefined();
  });

  test('an old token used later ends the session, its access tokens with it', async () => {
    const person = await signUp(world);
    const next = personOf(await refresh(person.refresh));
    await database.db
      .updateTable('sessions')
      .set({ rotated_at: sql<Date>`now() - interval '11 seconds'` })
      .where('user_id', '=', person.id)
      .execute();
    await expect(refresh(person.refresh)).rejects.toEqual(status(401));
    await expect(refresh(next.refresh)).rejects.toEqual(status(401));
    await expect(world.authenticate('user', { bearer: next.bearer })).rejects.toEqual(status(401));
    expect(await auditActions(person.id)).toContain('auth.refresh_reused');
  });

  test('a token older than the last one ends the session at once', async () => {
    const person = await signUp(world);
    const second = personOf(await refresh(person.refresh));
    const third = personOf(await refresh(second.refresh));
    await expect(refresh(person.refresh)).rejects.toEqual(status(401));
    await expect(refresh(third.refresh)).rejects.toEqual(status(401));
  });

  test('a made-up token ends nobody’s session', async () => {
    const person = await signUp(world);
    const sessionId = String(decodeJwt(person.bearer)['sid']);
    await expect(refresh(`${sessionId}.made.up`)).rejects.toEqual(status(401));
    await expect(refresh('')).rejects.toEqual(status(401));
    await expect(world.call('auth.refresh')).rejects.toEqual(status(401));
    await expect(refresh(person.refresh)).resolves.toBeDefined();
  });

  test('an expired session is over', async () => {
    const person = await signUp(world);
    await database.db
      .updateTable('sessions')
      .set({ expires_at: sql<Date>`now()` })
      .where('user_id', '=', person.id)
      .execute();
    await expect(refresh(person.refresh)).rejects.toEqual(status(401));
    await expect(world.authenticate('user', { bearer: person.bearer })).rejects.toEqual(status(401));
  });

  test('the cookie is refused from another site', async () => {
    const person = await signUp(world);
    const cookies = { keelson_refresh: person.refresh };
    const headers = { host: 'keelson.example', origin: 'https://evil.example' };
    await expect(world.call('auth.refresh', { cookies, headers })).rejects.toEqual(status(403));
    await expect(world.call('auth.logout', { cookies, headers })).rejects.toEqual(status(403));
  });
});

describe('logout', () => {
  test.each(['bearer', 'refresh cookie', 'access cookie'])(
    'by %s kills access and refresh tokens at once',
    async (by) => {
      const person = await signUp(world);
      const call = {
        bearer: { bearer: person.bearer },
        'refresh cookie': { cookies: { keelson_refresh: person.refresh } },
        'access cookie': { cookies: { keelson_access: person.bearer } },
      }[by];
      const answer = await world.call('auth.logout', call);
      expect(answer.status).toBe(204);
      expect(answer.cookies).toEqual([
        expect.objectContaining({ name: 'keelson_access', value: null }),
        expect.objectContaining({ name: 'keelson_refresh', value: null }),
      ]);
      await expect(world.authenticate('user', { bearer: person.bearer })).rejects.toEqual(status(401));
      await expect(refresh(person.refresh)).rejects.toEqual(status(401));
      expect(await auditActions(person.id)).toContain('auth.logout');
    },
  );

  test('with nothing to end is fine', async () => {
    expect((await world.call('auth.logout')).status).toBe(204);
  });
});
