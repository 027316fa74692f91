import fs from 'node:fs';
import path from 'node:path';
import { codeOf } from './errors.js';

/** A small JSON file only its owner can read; undefined when there is none. */
export function readPrivateJson(file: string): unknown {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Written whole or not at all, mode 0600 from its first byte. */
export function writePrivateJson(file: string, value: unknown): void {
  const draft = `${file}.${process.pid}`;
  fs.rmSync(draft, { force: true });
  fs.writeFileSync(draft, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  fs.renameSync(draft, file);
}

/** Appends; starts again once the last run left more than `keepBytes`. */
export function openLog(file: string, keepBytes = 10_000_000): number {
  const size = fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  return fs.openSync(file, size > keepBytes ? 'w' : 'a', 0o600);
}

/** The end of a log, from `start` on. */
export function tailOf(file: string, start: number): string {
  const text = fs.readFileSync(file);
  return text.subarray(Math.max(start, text.length - 4_000)).toString('utf8');
}

export const sizeOf = (file: string): number => fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;

/** Others may pass through and see nothing: the account Postgres runs as must reach its own folder below. */
export const PASSAGE = 0o711;

/** Makes the folder and answers its one true name: two spellings of it are the same place. */
export function realFolder(folder: string, mode = 0o700): string {
  fs.mkdirSync(folder, { recursive: true, mode });
  return fs.realpathSync(path.resolve(folder));
}
