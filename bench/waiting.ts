import { setTimeout as pause } from 'node:timers/promises';
import type { Caller } from './caller.js';
import { quantile, shown } from './figures.js';
import type { BenchOptions } from './options.js';

const SAMPLE = 50;
const PARTS = 4;
const megabytes = (): number => process.memoryUsage.rss() / 2 ** 20;

/** Runs that wait for a person: what they cost the process that hosts the worker, and how quick it resumes them. */
export async function measureWaiting(
  caller: Caller,
  options: BenchOptions,
  say: (text: string) => void,
): Promise<void> {
  const runIds: string[] = [];
  const sizes = [megabytes()];
  for (let part = 0; part < PARTS; part += 1) {
    const count = Math.round(options.waiting / PARTS);
    const batch = await caller.batch({ by: 'chain', slug: 'waiting', count, concurrency: 16, until: 'waiting' });
    runIds.push(...batch.runIds);
    await pause(2_000);
    sizes.push(megabytes());
  }
  say(
    `\n${runIds.length} runs wait for a person; resident memory of worker and API in MB, before and after each ` +
      `quarter: ${sizes.map((size) => shown(size)).join(', ')}`,
  );
  for (const [name, ids] of [
    ['first', runIds.slice(0, SAMPLE)],
    ['last', runIds.slice(-SAMPLE)],
  ] as const) {
    const { samples } = await caller.resume({ slug: 'waiting', runIds: ids });
    const [p50, p95] = [quantile(samples, 0.5), quantile(samples, 0.95)];
    say(`resuming the ${name} ${SAMPLE} through REST: p50 ${shown(p50)} ms, p95 ${shown(p95)} ms`);
  }
}
