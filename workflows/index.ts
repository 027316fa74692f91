export { cronTick } from './cron-tick.js';
export { run } from './run.js';
