import fs from 'node:fs';
import path from 'node:path';
import { StartError } from './errors.js';
import { isMissing } from './files.js';
import { isProcessOf } from './processes.js';

/** One platform a data folder: takes the folder for this process, or says who has it. Answers how to give it back. */
export function lockFolder(folder: string, mark: string): () => void {
  const file = path.join(folder, 'lock');
  if (!claim(file)) {
    const holder = holderOf(file);
    if (holder !== undefined && holder !== process.pid && isProcessOf(holder, mark)) {
      throw new StartError(
        `Keelson already runs on ${folder} (process ${holder}): stop that one, or choose another KEELSON_DATA_DIR and PORT.`,
      );
    }
    fs.rmSync(file, { force: true });
    if (!claim(file)) throw new StartError(`Another start took ${folder} at this moment: try again.`);
  }
  return () => {
    if (holderOf(file) === process.pid) fs.rmSync(file, { force: true });
  };
}

function claim(file: string): boolean {
  try {
    fs.writeFileSync(file, `${process.pid}\n`, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

function holderOf(file: string): number | undefined {
  try {
    return Number(fs.readFileSync(file, 'utf8')) || undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
