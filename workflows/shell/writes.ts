import { CancellationScope, proxyActivities } from '@temporalio/workflow';
import type { RunActivities } from '../contract/activities.js';
import { records } from '../contract/timeouts.js';
import type { RunSession } from './session.js';
import { sizeOf } from './size.js';

const { finishRun, recordTransitions } = proxyActivities<RunActivities>(records);

/** Writing down what happened is no part of the work that a cancelled run stops. */
export const whole = <T>(write: () => Promise<T>): Promise<T> => CancellationScope.nonCancellable(write);

/** An activity's argument holds at most so many bytes of step values; the rest is written ahead of it. */
const FLUSH_LIMIT_BYTES = 384 * 1024;
const STEPS_A_WRITE = 2;

/** Tells the read model what it does not know yet, when nothing else is about to. */
export async function flushAll(session: RunSession): Promise<void> {
  await flushExcess(session);
  const flush = session.takeFlush(session.status());
  await whole(() => recordTransitions({ run: session.input.run, flush }));
}

export async function flushExcess(session: RunSession): Promise<void> {
  const bytes = (): number => session.readModel.pendingValues().reduce((sum, value) => sum + sizeOf(value), 0);
  while (bytes() > FLUSH_LIMIT_BYTES) {
    const flush = session.takeFlush(session.readModel.recorded, STEPS_A_WRITE);
    await whole(() => recordTransitions({ run: session.input.run, flush }));
  }
}

export async function finish(session: RunSession): Promise<void> {
  const { end } = session.state;
  if (end === null) throw new RangeError('the run has not ended');
  session.abandonWaits();
  await flushExcess(session);
  const flush = session.takeFlush(end.status);
  await finishRun({ run: session.input.run, flush, end });
}
