import { closeRunFolder } from './run-folder.js';

async function globalTeardown(): Promise<void> {
  await closeRunFolder();
}

// oxlint-disable-next-line import/no-default-export -- reason: jest calls the default export
export default globalTeardown;
