import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sql } from 'kysely';
import { createLoginGuards } from '../../db/login-guards.js';
import { defaultLock } from '../../api/services/auth.js';
import { verifyPassword } from '../../api/services/passwords.js';
import {
  buildAccount,
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
  test('an unknown address is checked against a hash nobody can match', async () => {
    expect(await verifyPassword(undefined, 'nobody has this password')).toBe(false);
  });

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
    await expect(attempt('wrong horse')).rejects.toEqual(status(423));
    await expect(attempt('correct horse')).rejects.toMatchObject({
      status: 423,
      headers: { 'retry-after': expect.stringMatching(/^(3600|35\d\d)$/) },
    });
    await database.db
      .updateTable('login_guards')
      .set({ locked_until: sql<Date>`now()` })
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
    expect(codes.filter((code) => code === 423)).toHaveLength(8);
  });

  test('the right password, checked while the account was being locked, wins nothing', async () => {
    const guards = createLoginGuards(database.db, defaultLock);
    for (let i = 0; i < 5; i += 1) await guards.recordFailure('somebody@example.com');
    expect(await guards.recordSuccess('somebody@example.com')).toBe(false);
  });

  test('logins at the same moment do not count as failures', async () => {
    const { email } = await signUp(world);
    const all = await Promise.all(
      Array.from({ length: 8 }, () => world.call('auth.login', { body: { email, password: 'correct horse' } })),
    );
    expect(new Set(all.map((one) => personOf(one).refresh)).size).toBe(8);
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
