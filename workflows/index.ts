export { cronTick } from './cron-tick.js';
export { deliverWebhook } from './deliver-webhook.js';
export { run } from './run.js';
