import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { fileInArchive } from '../../local/archives.js';
import { findTool, type FindToolOptions, type ToolSource } from '../../local/find-tool.js';
import { temporalCli } from '../../local/tools.js';
import { scratchFolder } from '../support/scratch.js';

const script = (says: string): string => `#!/bin/sh\necho "${says}"\n`;

function program(folder: string, says: string): string {
  fs.mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'temporal');
  fs.writeFileSync(file, script(says), { mode: 0o755 });
  return file;
}

function options(change: Partial<FindToolOptions> = {}): FindToolOptions {
  const home = scratchFolder();
  return {
    env: { HOME: home, PATH: '', ...change.env },
    progress: () => undefined,
    fallbackCache: path.join(home, 'fallback'),
    sources: [],
    ...(change.sources === undefined ? {} : { sources: change.sources }),
  };
}

const brings = (content: string): ToolSource => ({ name: 'box', fetch: () => Promise.resolve(Buffer.from(content)) });
const refuses = (name: string): ToolSource => ({ name, fetch: () => Promise.reject(new Error('no way through')) });

describe('finding the Temporal CLI', () => {
  test('the one named wins', async () => {
    const file = program(scratchFolder(), 'temporal version 0.1.0');
    expect(await findTool(temporalCli, options({ env: { TEMPORAL_CLI_PATH: file } }))).toBe(file);
  });

  test('one named that does not run is refused by its variable', async () => {
    const find = findTool(temporalCli, options({ env: { TEMPORAL_CLI_PATH: '/nowhere/temporal' } }));
    await expect(find).rejects.toThrow(/^TEMPORAL_CLI_PATH names no program that runs/);
  });

  test('then one on PATH, unless it is too old', async () => {
    const old = scratchFolder();
    const recent = scratchFolder();
    program(old, 'temporal version 1.0.0');
    const file = program(recent, 'temporal version 1.10.2 (Server 1.33.0)');
    expect(await findTool(temporalCli, options({ env: { PATH: `${old}:${recent}` } }))).toBe(file);
  });

  test('then one fetched, which the next start finds', async () => {
    const first = options({ sources: [refuses('far'), brings(script('temporal version 1.9.1'))] });
    const file = await findTool(temporalCli, first);
    expect(file).toBe(path.join(first.env.HOME ?? '', '.cache/keelson/temporal/1.9.1/temporal'));
    expect(await findTool(temporalCli, { ...first, sources: [] })).toBe(file);
  });

  test('one that does not run here is not kept', async () => {
    const find = findTool(temporalCli, options({ sources: [brings('\x7fELF nonsense')] }));
    await expect(find).rejects.toThrow(/what came does not run on this machine/);
  });

  test('else one sentence says what was tried and what to do', async () => {
    const find = findTool(temporalCli, options({ sources: [refuses('far'), refuses('near')] }));
    await expect(find).rejects.toThrow(
      'The Temporal CLI is missing and could not be fetched (far: no way through; near: no way through): ' +
        'install `temporal` 1.9.1, put it on PATH or set TEMPORAL_CLI_PATH to it, and start again.',
    );
  });
});

describe('one file of an archive', () => {
  const content = Buffer.from('the program '.repeat(200));

  function tarOf(name: string): Buffer {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    return Buffer.concat([header, content, Buffer.alloc(512 - (content.length % 512)), Buffer.alloc(1024)]);
  }

  function zipOf(name: string): Buffer {
    const packed = deflateRawSync(content);
    const local = Buffer.alloc(30);
    local.write('PK\x03\x04', 'latin1');
    local.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt16LE(8, 10);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt16LE(name.length, 28);
    const end = Buffer.alloc(22);
    end.write('PK\x05\x06', 'latin1');
    end.writeUInt16LE(1, 10);
    end.writeUInt32LE(local.length + name.length + packed.length, 16);
    return Buffer.concat([local, Buffer.from(name), packed, entry, Buffer.from(name), end]);
  }

  const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

  test('of a .tar.gz and of a zip, below any folder', async () => {
    const fromTar = await fileInArchive(gzipSync(tarOf('temporal')), 'temporal');
    const fromZip = await fileInArchive(zipOf('pack.data/scripts/temporal'), 'temporal');
    expect([digest(fromTar), digest(fromZip)]).toEqual([digest(content), digest(content)]);
  });

  test('that is not there is told', async () => {
    await expect(fileInArchive(gzipSync(tarOf('other')), 'temporal')).rejects.toThrow('holds no file temporal');
    await expect(fileInArchive(Buffer.from('PK nothing'), 'temporal')).rejects.toThrow('cut off');
  });
});
