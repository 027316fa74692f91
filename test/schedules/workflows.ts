import type { RunInput } from '../../workflows/contract/run.js';

export { cronTick } from '../../workflows/cron-tick.js';

/** Stands in for the interpreter: what matters here is only that it is started, and with what. */
export function run(input: RunInput): Promise<RunInput> {
  return Promise.resolve(input);
}
