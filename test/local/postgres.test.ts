import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { startPostgres, type LocalPostgres } from '../../local/postgres.js';
import { isAlive, sendSignal, waitUntil } from '../../local/processes.js';
import { supervise } from '../../local/supervise.js';
import { scratchFolder } from '../support/scratch.js';
import { testDatabase } from '../support/database.js';

async function ask<T extends pg.QueryResultRow>(url: string, query: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(query)).rows;
  } finally {
    await client.end();
  }
}

async function killHard(pid: number): Promise<void> {
  sendSignal(pid, 'SIGKILL');
  await waitUntil(() => !isAlive(pid), { patienceMs: 5_000 });
}

const modeOf = (file: string): string => (fs.statSync(file).mode & 0o777).toString(8);

describe('the local Postgres', () => {
  let dataDir = '';
  let server: LocalPostgres;
  beforeAll(async () => {
    dataDir = path.join(scratchFolder(), 'postgres');
    server = await startPostgres({ dataDir });
    await ask(server.url, 'create table kept as select 1 as n');
  });
  afterAll(() => server.stop());

  test('keeps its password from other eyes', () => {
    expect(modeOf(path.join(dataDir, 'postgres.json'))).toBe('600');
    expect(modeOf(path.join(dataDir, 'postgres.log'))).toBe('600');
    expect(modeOf(path.join(dataDir, 'data'))).toBe('700');
  });

  test('refuses a wrong password', async () => {
    const url = new URL(server.url);
    url.password = 'wrong';
    await expect(ask(url.href, 'select 1')).rejects.toThrow(/password authentication failed/);
  });

  test('is adopted by a second start', async () => {
    const again = await startPostgres({ dataDir });
    expect(again).toMatchObject({ pid: server.pid, url: server.url, adopted: true });
  });

  test('killed, it starts again on its port with its data', async () => {
    await killHard(server.pid);
    const again = await startPostgres({ dataDir });
    expect(again).toMatchObject({ url: server.url, adopted: false });
    expect(again.pid).not.toBe(server.pid);
    expect(await ask(again.url, 'select n from kept')).toEqual([{ n: 1 }]);
    server = again;
  });

  test('is not fooled by a process number that now belongs to another program', async () => {
    await server.stop();
    const pidFile = path.join(dataDir, 'data', 'postmaster.pid');
    fs.writeFileSync(
      pidFile,
      [process.pid, path.join(dataDir, 'data'), 0, server.port, '', '127.0.0.1', ''].join('\n'),
    );
    server = await startPostgres({ dataDir });
    expect(server).toMatchObject({ adopted: false });
    expect(await ask(server.url, 'select n from kept')).toEqual([{ n: 1 }]);
  });

  test('begins again when the first start was cut off half-way', async () => {
    const cut = path.join(scratchFolder(), 'postgres');
    fs.mkdirSync(path.join(cut, 'data.new'), { recursive: true });
    fs.writeFileSync(path.join(cut, 'data.new', 'PG_VERSION'), '18');
    const begun = await startPostgres({ dataDir: cut });
    expect(await ask(begun.url, 'select 1 as n')).toEqual([{ n: 1 }]);
    await begun.stop();
  });

  test('says what to do when its password is lost', async () => {
    const lost = path.join(scratchFolder(), 'postgres');
    fs.mkdirSync(path.join(lost, 'data'), { recursive: true });
    await expect(startPostgres({ dataDir: lost })).rejects.toThrow(/postgres\.json holds the database's password/);
  });

  test('supervised, it comes back by itself where its clients look for it', async () => {
    const reports: string[] = [];
    const watched = supervise(server, {
      name: 'Postgres',
      restart: ({ port }) => startPostgres({ dataDir, port }),
      report: (message) => reports.push(message),
    });
    await killHard(server.pid);
    await waitUntil(() => watched.current().pid !== server.pid, { patienceMs: 20_000 });
    expect(watched.current().url).toBe(server.url);
    expect(await ask(server.url, 'select n from kept')).toEqual([{ n: 1 }]);
    expect(reports).toEqual([`Postgres (process ${server.pid}) died; starting it again.`]);
    await watched.stop();
    expect(isAlive(watched.current().pid)).toBe(false);
  });
});

describe('a test database', () => {
  test('is migrated, empty and its own', async () => {
    const [one, two] = await Promise.all([testDatabase(), testDatabase()]);
    await one.db.insertInto('tenants').values({ id: 'ten_1', name: 'One', slug: 'one' }).execute();
    expect(await one.db.selectFrom('tenants').select('name').execute()).toEqual([{ name: 'One' }]);
    expect(await two.db.selectFrom('tenants').select('name').execute()).toEqual([]);
    await Promise.all([one.close(), two.close()]);
  });
});
