import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { SettingsError } from '../variables.js';

const SETTING = 'KEELSON_MASTER_KEY_FILE';
const HEX = /^[0-9a-f]{64}\n?$/;
const OTHERS = 0o077;

/** The master key of a file that only its owner may read; made when there is none. */
export function readKeyFile(file: string): Buffer {
  const existing = readKey(file);
  if (existing !== undefined) return existing;
  createKey(file);
  const made = readKey(file);
  if (made === undefined) throw new SettingsError(`${SETTING}: ${file} was made and is gone again; try once more.`);
  return made;
}

/** A damaged file is never replaced: its key opens what is already stored. */
function readKey(file: string): Buffer | undefined {
  const handle = openExisting(file);
  if (handle === undefined) return undefined;
  try {
    const stat = fstatSync(handle);
    if (!stat.isFile()) throw new SettingsError(`${SETTING}: ${file} is no file; give the path of a file of yours.`);
    if ((stat.mode & OTHERS) !== 0)
      throw new SettingsError(`${SETTING}: others may read or change ${file}; make it yours alone with chmod 600.`);
    const text = readFileSync(handle, 'utf8');
    if (HEX.test(text)) return Buffer.from(text.trim(), 'hex');
    throw new SettingsError(`${SETTING}: ${file} does not hold a key of 64 hex characters; restore it from a backup.`);
  } finally {
    closeSync(handle);
  }
}

function openExisting(file: string): number | undefined {
  try {
    return openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new SettingsError(`${SETTING}: ${file} cannot be read (${codeOf(error)}); give the path of a file of yours.`);
  }
}

/** Written whole under another name first: a process that starts at the same moment sees all of it or nothing. */
function createKey(file: string): void {
  const draft = path.join(
    path.dirname(file),
    `.${path.basename(file)}.${process.pid}.${randomBytes(4).toString('hex')}`,
  );
  try {
    const handle = openSync(draft, 'wx', 0o600);
    try {
      writeSync(handle, `${randomBytes(32).toString('hex')}\n`);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    place(draft, file);
  } catch (error) {
    throw new SettingsError(
      `${SETTING}: ${file} cannot be written (${codeOf(error)}); give a path in a folder of yours.`,
    );
  }
}

/** Whoever was first stays: a link never replaces what is there. */
function place(draft: string, file: string): void {
  try {
    linkSync(draft, file);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    unlinkSync(draft);
  }
}

const codeOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown';
