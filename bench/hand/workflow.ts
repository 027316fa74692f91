import { proxyActivities } from '@temporalio/workflow';
import type { HandActivities } from './activities.js';

const { first, second, third } = proxyActivities<HandActivities>({
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: '10 seconds',
});

/** What the chain under test does, as one would write it by hand: three steps, each fed by the one before. */
export async function handWritten(input: { readonly text: string }): Promise<{ readonly text: string }> {
  return third(await second(await first(input)));
}
