import type { Comparison } from './compare.js';
import { quantile, shown } from './figures.js';

const ALONE = { by: 'chain', slug: 'notes', concurrency: 1, until: 'ended' } as const;

/** What the API adds to the bare start of a workflow, while nothing else happens. */
export async function measureApiWork({ stage, caller }: Comparison, say: (text: string) => void): Promise<void> {
  await caller.batch({ ...ALONE, count: 50 });
  stage.takeStartTimes();
  await caller.batch({ ...ALONE, count: 200 });
  const times = stage.takeStartTimes();
  const added = times.map(({ requestMs, temporalMs }) => requestMs - temporalMs);
  const request = times.map(({ requestMs }) => requestMs);
  say(
    `\nPOST run, ${times.length} one at a time: p50 ${shown(quantile(request, 0.5), 1)} ms, of which on top of the ` +
      `Temporal start p50 ${shown(quantile(added, 0.5), 1)} ms, p95 ${shown(quantile(added, 0.95), 1)} ms`,
  );
}
