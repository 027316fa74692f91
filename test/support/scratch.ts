import fs from 'node:fs';
import path from 'node:path';
import { runFolder } from './run-folder.js';

/** An empty folder; it goes with the jest run. */
export const scratchFolder = (): string => fs.mkdtempSync(path.join(runFolder(), 'scratch-'));
