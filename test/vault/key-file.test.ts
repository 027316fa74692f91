import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { readSettings } from '../../db/settings.js';
import { readKeyFile } from '../../db/vault/key-file.js';
import { wrappersOf } from '../../db/vault/open.js';
import { scratchFolder } from '../support/scratch.js';

const newFile = (): string => path.join(scratchFolder(), 'master.key');
const modeOf = (file: string): number => fs.statSync(file).mode & 0o777;
const base = { DATABASE_URL: 'postgres://u:p@db:5432/keelson' };

test('a missing file is made, for its owner alone, and read from then on', () => {
  const file = newFile();
  const key = readKeyFile(file);
  expect(key).toHaveLength(32);
  expect(modeOf(file)).toBe(0o600);
  expect(readKeyFile(file)).toEqual(key);
  expect(fs.readdirSync(path.dirname(file))).toEqual(['master.key']);
  expect(readKeyFile(newFile())).not.toEqual(key);
});

test.each([0o644, 0o640, 0o660, 0o604, 0o666])('a file of mode %o is refused', (mode) => {
  const file = newFile();
  readKeyFile(file);
  fs.chmodSync(file, mode);
  expect(() => readKeyFile(file)).toThrow(
    `KEELSON_MASTER_KEY_FILE: others may read or change ${file}; make it yours alone with chmod 600.`,
  );
});

test.each(['', 'ab', 'zz'.repeat(32), `${'ab'.repeat(32)}ab`])('a damaged file is refused and kept: "%s"', (text) => {
  const file = newFile();
  fs.writeFileSync(file, text, { mode: 0o600 });
  expect(() => readKeyFile(file)).toThrow(/does not hold a key of 64 hex characters; restore it from a backup/);
  expect(fs.readFileSync(file, 'utf8')).toBe(text);
});

test('a folder that is not there, a folder and a link are refused with the path', () => {
  const folder = scratchFolder();
  expect(() => readKeyFile(path.join(folder, 'none', 'master.key'))).toThrow(/cannot be written \(ENOENT\)/);
  expect(() => readKeyFile(folder)).toThrow(/^KEELSON_MASTER_KEY_FILE: .* is no file/);
  const target = newFile();
  readKeyFile(target);
  fs.symlinkSync(target, path.join(folder, 'link'));
  expect(() => readKeyFile(path.join(folder, 'link'))).toThrow(/cannot be read \(ELOOP\)/);
});

test('the variable wins over the file, and without either the sentence names both', () => {
  const file = newFile();
  const byFile = wrappersOf(readSettings({ ...base, KEELSON_MASTER_KEY_FILE: file }));
  expect(byFile.masterKey).toEqual(readKeyFile(file));
  const given = { ...base, KEELSON_MASTER_KEY_FILE: file, KEELSON_MASTER_KEY: 'ab'.repeat(32) };
  expect(wrappersOf(readSettings(given)).masterKey).toEqual(Buffer.alloc(32, 0xab));
  expect(() => readSettings(base)).toThrow(/^KEELSON_MASTER_KEY is not set: .*KEELSON_MASTER_KEY_FILE\.$/);
});

test.each([
  [{ KEELSON_KMS_KEY: 'k', KEELSON_KMS_TOKEN: 't' }, /^KEELSON_KMS_URL is not set/],
  [{ KEELSON_KMS_URL: 'http://kms' }, /^KEELSON_KMS_KEY is not set/],
  [{ KEELSON_KMS_URL: 'http://kms', KEELSON_KMS_KEY: 'k' }, /^KEELSON_KMS_TOKEN is not set/],
  [{ KEELSON_KMS_URL: 'kms' }, /^KEELSON_KMS_URL must be the http or https address/],
  [{ KEELSON_MASTER_KEY_OLD: 'hunter2' }, /^KEELSON_MASTER_KEY_OLD must be 32 random bytes[^]*\.$/],
])('%j is refused', (change, sentence) => {
  expect(() => readSettings({ ...base, ...change })).toThrow(sentence);
});
