import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { bundleSource } from '../workers/bundle-source.js';

/** Part of the build: workers start from this file and need not bundle the workflows each time. */
const target = fileURLToPath(new URL('../assets/workflows.js', import.meta.url));
const { code } = await bundleWorkflowCode({ ...bundleSource, logger: new DefaultLogger('ERROR') });
mkdirSync(path.dirname(target), { recursive: true });
writeFileSync(target, code);
