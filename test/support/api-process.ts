import { startTestApi } from './api.js';
import { silentTemporal } from './silent-temporal.js';

/** An API in a process of its own, for tests that kill it: tells its address and runs until then. */
const api = await startTestApi({
  temporal: silentTemporal,
  database: { databaseUrl: process.env['TEST_DATABASE_URL'] ?? '' },
});
process.send?.({ url: api.url });
process.on('disconnect', () => process.exit());
