import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt, SignJWT } from 'jose';
import { sql } from 'kysely';
import { deriveKey } from '../../db/crypto.js';
import {
  buildAccount,
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

describe('sign-up', () => {
  test('makes a tenant, a workspace and its owner, and signs in', async () => {
    const {
      body,
      cookies,
      status: code,
    } = await world.call('auth.signup', {
      body: { email: '  Ada@Example.com ', password: 'correct horse', name: 'Ada', workspace_name: "Ada's Lab" },
    });
    expect(code).toBe(201);
    expect(body).toMatchObject({
      token_type: 'bearer',
      expires_in: 1800,
      user: { email: 'ada@example.com', name: 'Ada', mfa_enabled: false },
      workspace: { slug: 'adas-lab', name: "Ada's Lab", role: 'owner' },
    });
    expect(body).not.toHaveProperty('refresh_token');
    expect(cookies).toEqual([
      { name: 'keelson_access', value: body.access_token, path: '/', maxAgeSeconds: 1800 },
      { name: 'keelson_refresh', value: expect.any(String), path: '/v1/auth', maxAgeSeconds: 30 * 86_400 },
    ]);
    expect(await auditActions(body.user.id)).toEqual(['auth.signup']);
  });

  test('stores hashes only', async () => {
    const person = await signUp(world);
    const user = await database.db
      .selectFrom('users')
      .selectAll()
      .where('id', '=', person.id)
      .executeTakeFirstOrThrow();
    expect(user.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    const session = await database.db
      .selectFrom('sessions')
      .selectAll()
      .where('user_id', '=', person.id)
      .executeTakeFirstOrThrow();
    expect(session.token_hash).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.stringify(session)).not.toContain(person.refresh);
  });

  test('two workspaces of one name get two slugs', async () => {
    const first = await world.call('auth.signup', { body: buildAccount({ workspace_name: 'Äcme & Co' }) });
    const second = await world.call('auth.signup', { body: buildAccount({ workspace_name: 'Acme Co' }) });
    expect(first.body.workspace.slug).toBe('acme-co');
    expect(second.body.workspace.slug).toMatch(/^acme-co-[0-9a-f]{6}$/);
  });

  test('an address in use is a conflict, also in other letters and at the same moment', async () => {
    const { email } = await signUp(world);
    await expect(world.call('auth.signup', { body: buildAccount({ email: email.toUpperCase() }) })).rejects.toEqual(
      status(409),
    );
    const twins = await Promise.allSettled([
      signUp(world, { email: 'twin@example.com' }),
      signUp(world, { email: 'TWIN@example.com' }),
    ]);
    expect(twins.map((twin) => twin.status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  test.each([
    ['short', 'password: must have at least 8 characters'],
    ['x'.repeat(201), 'password: must have at most 200 characters'],
    ['self@example.com', 'password: must not be the e-mail address'],
  ])('password %p is refused with the reason', async (password, message) => {
    const body = buildAccount({ email: 'self@example.com', password });
    await expect(world.call('auth.signup', { body })).rejects.toMatchObject({ status: 422, message });
  });

  test('an address that is none is refused', async () => {
    await expect(world.call('auth.signup', { body: buildAccount({ email: 'nobody' }) })).rejects.toThrow(
      /must be an e-mail/,
    );
  });

  test('a closed installation says so', async () => {
    const closed = createWorld(database.db, { signup: 'closed' });
    await expect(closed.call('auth.signup', { body: buildAccount() })).rejects.toMatchObject({
      status: 403,
      message: expect.stringContaining('Sign-up is closed'),
    });
  });
});

describe('login', () => {
  test('takes the address in any letters', async () => {
    const { email, id } = await signUp(world);
    const { body } = await world.call('auth.login', {
      body: { email: ` ${email.toUpperCase()}`, password: 'correct horse' },
    });
    expect(body.user.id).toBe(id);
    expect(await auditActions(id)).toEqual(['auth.signup', 'auth.login']);
  });

  test('a wrong password and an unknown address answer the same, and both are audited', async () => {
    const { email, id } = await signUp(world);
    const answers = await Promise.allSettled([
      world.call('auth.login', { body: { email, password: 'wrong horse' } }),
      world.call('auth.login', { body: { email: 'ghost@example.com', password: 'wrong horse' } }),
    ]);
    const [known, unknown] = answers.map((answer) => (answer.status === 'rejected' ? answer.reason : undefined));
    expect(known).toEqual(status(401));
    expect(unknown.message).toBe(known.message);
    const failures = await database.db
      .selectFrom('audit_events')
      .selectAll()
      .where('action', '=', 'auth.login_failed')
      .where('entity_id', 'in', [id, 'unknown'])
      .execute();
    expect(failures).toHaveLength(2);
    expect(JSON.stringify(failures)).not.toMatch(/wrong horse|ghost@/);
  });

  test('five failures lock, even for the right password, until the time is over', async () => {
    const { email, id } = await signUp(world);
    const attempt = (password: string): Promise<Answer> => world.call('auth.login', { body: { email, password } });
    for (let i = 0; i < 4; i += 1) await expect(attempt('wrong horse')).rejects.toEqual(status(401));
    await expect(attempt('wrong horse')).rejects.toEqual(status(429));
    await expect(attempt('correct horse')).rejects.toMatchObject({
      status: 429,
      headers: { 'retry-after': expect.stringMatching(/^(900|8\d\d)$/) },
    });
    await database.db
      .updateTable('users')
      .set({ locked_until: sql<Date>`now()` })
      .where('id', '=', id)
      .execute();
    await expect(attempt('wrong horse')).rejects.toEqual(status(401));
    expect((await attempt('correct horse')).body.user.id).toBe(id);
  });

  test('a good login forgets the failures before it', async () => {
    const { email } = await signUp(world);
    const attempt = (password: string): Promise<Answer> => world.call('auth.login', { body: { email, password } });
    for (let round = 0; round < 2; round += 1) {
      for (let i = 0; i < 4; i += 1) await expect(attempt('wrong horse')).rejects.toEqual(status(401));
      await attempt('correct horse');
    }
  });

  test('guesses sent side by side lock as well', async () => {
    const { email } = await signUp(world);
    const guesses = await Promise.allSettled(
      Array.from({ length: 12 }, () => world.call('auth.login', { body: { email, password: 'wrong horse' } })),
    );
    const codes = guesses.map((guess) => (guess.status === 'rejected' ? guess.reason.status : 200));
    expect(codes.filter((code) => code === 401)).toHaveLength(4);
    expect(codes.filter((code) => code === 429)).toHaveLength(8);
  });

  test('logins at the same moment do not count as failures', async () => {
    const { email } = await signUp(world);
    const all = await Promise.all(
      Array.from({ length: 8 }, () => world.call('auth.login', { body: { email, password: 'correct horse' } })),
    );
    expect(new Set(all.map((one) => personOf(one).refresh)).size).toBe(8);
  });
});

describe('access token', () => {
  test('holds the documented claims', async () => {
    const person = await signUp(world);
    expect(decodeJwt(person.bearer)).toMatchObject({
      sub: person.id,
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
    new SignJWT({ ...decodeJwt(bearer), ...change }).setProtectedHeader({ alg: 'HS256' }).sign(key);

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

describe('ensureAdmin', () => {
  const admin = { email: 'Root@example.com', password: 'operator secret' };

  test('makes one platform administrator however often and at once it is called', async () => {
    const all = await Promise.all(Array.from({ length: 3 }, () => world.services.auth.ensureAdmin(admin)));
    expect(new Set(all.map((one) => one.userId)).size).toBe(1);
    expect(all.filter((one) => one.created)).toHaveLength(1);
    expect(await world.services.auth.ensureAdmin(admin)).toMatchObject({ created: false });
    const login = await world.call('auth.login', { body: admin });
    expect(login.body.workspace).toMatchObject({ id: all[0]?.workspaceId, role: 'owner' });
    await expect(world.authenticate('admin', { bearer: login.body.access_token })).resolves.toMatchObject({
      type: 'user',
    });
  });

  test('promotes nobody who signed up with that address', async () => {
    const { email } = await signUp(world);
    await expect(world.services.auth.ensureAdmin({ email, password: 'operator secret' })).rejects.toThrow(
      /ordinary account/,
    );
  });
});
