import { openRunFolder, sweepDeadRuns } from './run-folder.js';

/** Starts nothing: the first test that needs a server starts it, the teardown ends what was started. */
async function globalSetup(): Promise<void> {
  await sweepDeadRuns();
  openRunFolder();
}

// oxlint-disable-next-line import/no-default-export -- reason: jest calls the default export
export default globalSetup;
