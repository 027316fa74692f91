import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { codeOf, StartError } from './errors.js';
import { readPrivateJson } from './files.js';
import { commandLine, isProcessOf } from './processes.js';

const Holder = z.object({ pid: z.number(), command: z.string() });

/** One platform a data folder: takes the folder for this process, or says who has it. Answers how to give it back. */
export function lockFolder(folder: string): () => void {
  const file = path.join(folder, 'lock');
  if (!claim(file)) {
    const holder = holderOf(file);
    if (holder !== undefined && holder.pid !== process.pid && isProcessOf(holder.pid, holder.command)) {
      throw new StartError(
        `Keelson already runs on ${folder} (process ${holder.pid}): stop that one, or choose another KEELSON_DATA_DIR and PORT.`,
      );
    }
    fs.rmSync(file, { force: true });
    if (!claim(file)) throw new StartError(`Another start took ${folder} at this moment: try again.`);
  }
  return () => {
    if (holderOf(file)?.pid === process.pid) fs.rmSync(file, { force: true });
  };
}

/** Whole from its first moment, so that whoever finds it can read who holds it. */
function claim(file: string): boolean {
  const draft = `${file}.${process.pid}`;
  fs.writeFileSync(draft, JSON.stringify({ pid: process.pid, command: commandLine(process.pid) ?? '' }), {
    mode: 0o600,
  });
  try {
    fs.linkSync(draft, file);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

function holderOf(file: string): z.output<typeof Holder> | undefined {
  try {
    return Holder.parse(readPrivateJson(file));
  } catch {
    return undefined;
  }
}
