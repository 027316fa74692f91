import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { createCleanup, Stopped } from '../../local/cleanup.js';
import { lockFolder } from '../../local/lock.js';
import { choosePort, commandLine, isProcessOf, portTrouble } from '../../local/processes.js';
import { keepSecrets, secretsFile } from '../../local/secrets.js';
import { scratchFolder } from '../support/scratch.js';

describe('secrets', () => {
  test('are made once and only their owner can read them', () => {
    const folder = scratchFolder();
    const first = keepSecrets(folder);
    expect(fs.statSync(secretsFile(folder)).mode & 0o777).toBe(0o600);
    expect(keepSecrets(folder)).toEqual(first);
    expect(first.masterKey).toMatch(/^[0-9a-f]{64}$/);
    expect(keepSecrets(scratchFolder()).masterKey).not.toBe(first.masterKey);
  });

  test('of an earlier version get what is missing and keep the rest', () => {
    const folder = scratchFolder();
    const early = { masterKey: 'ab'.repeat(32), adminPassword: 'of the first start' };
    fs.writeFileSync(secretsFile(folder), JSON.stringify(early));
    const whole = keepSecrets(folder);
    expect(whole).toEqual({ ...early, adminToken: expect.stringMatching(/^[\w-]{43}$/) });
    expect(keepSecrets(folder)).toEqual(whole);
    expect(fs.statSync(secretsFile(folder)).mode & 0o777).toBe(0o600);
  });

  test('a damaged file is never written over', () => {
    const folder = scratchFolder();
    fs.writeFileSync(secretsFile(folder), '{"masterKey":"');
    expect(() => keepSecrets(folder)).toThrow(/secrets\.json is damaged: restore it/);
    expect(fs.readFileSync(secretsFile(folder), 'utf8')).toBe('{"masterKey":"');
  });
});

describe('one platform a data folder', () => {
  const hold = (folder: string, pid: number, command: string): void =>
    fs.writeFileSync(path.join(folder, 'lock'), JSON.stringify({ pid, command }));

  test('a live holder keeps it', () => {
    const folder = scratchFolder();
    hold(folder, process.ppid, commandLine(process.ppid) ?? '');
    expect(() => lockFolder(folder)).toThrow(`Keelson already runs on ${folder} (process ${process.ppid})`);
  });

  test.each([
    ['a dead holder', 2 ** 22 + 1, 'node'],
    ['a number that now belongs to another program', process.ppid, 'some other program entirely'],
    ['ourselves', process.pid, 'node'],
  ])('%s gives way', (_name, pid, command) => {
    const folder = scratchFolder();
    hold(folder, pid, command);
    const unlock = lockFolder(folder);
    expect(fs.existsSync(path.join(folder, 'lock'))).toBe(true);
    unlock();
    expect(fs.readdirSync(folder)).toEqual([]);
  });
});

describe('ports and processes', () => {
  test('a port in use is told and not chosen', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    expect(await portTrouble(port)).toBe('EADDRINUSE');
    expect(await choosePort(port)).not.toBe(port);
    await new Promise((resolve) => server.close(resolve));
    expect(await choosePort(port)).toBe(port);
  });

  test('a process is known by its command line, not by its number', () => {
    expect(isProcessOf(process.pid, 'jest')).toBe(true);
    expect(isProcessOf(process.pid, 'no such mark')).toBe(false);
    expect(isProcessOf(2 ** 22 + 1, '')).toBe(false);
  });
});

describe('cleanup', () => {
  test('ends the last one first, in spite of one that fails', async () => {
    const told: string[] = [];
    const cleanup = createCleanup((message) => told.push(message));
    await cleanup.add('first', { stop: () => void told.push('first ends') });
    await cleanup.add('second', { stop: () => Promise.reject(new Error('stuck')) });
    await cleanup.add('third', { stop: () => void told.push('third ends') });
    await cleanup.run();
    expect(told).toEqual(['third ends', 'second did not stop cleanly: stuck', 'first ends']);
  });

  test('forced, it also ends the one that is stopping', async () => {
    const told: string[] = [];
    const cleanup = createCleanup(() => undefined);
    await cleanup.add('quick', { stop: () => undefined, kill: () => told.push('quick killed') });
    await cleanup.add('slow', { stop: () => new Promise(() => undefined), kill: () => told.push('slow killed') });
    void cleanup.run();
    cleanup.force();
    expect(told).toEqual(['quick killed', 'slow killed']);
  });

  test('what comes up after the end began goes down at once', async () => {
    const told: string[] = [];
    const cleanup = createCleanup(() => undefined);
    await cleanup.run();
    await expect(cleanup.add('late', { stop: () => void told.push('late ends') })).rejects.toThrow(Stopped);
    expect(told).toEqual(['late ends']);
  });
});
