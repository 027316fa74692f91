import { round, summary, type Comparison, type Round } from './compare.js';
import type { Subject } from './subjects.js';

const CONCURRENCY = 8;
const measured: Subject = { name: 'without the log', way: { by: 'graph', slug: 'steps' } };
const logged: Subject = { ...measured, name: 'with the log' };

/** What it costs that the database notes each change of a run for whoever follows it. */
export async function measureLog(given: Comparison, say: (text: string) => void): Promise<void> {
  const { options, caller } = given;
  const rounds = new Map<Subject, Round[]>([
    [measured, []],
    [logged, []],
  ]);
  for (let index = 0; index < 2 * options.rounds; index += 1) {
    const isOn = index % 2 === 1;
    await caller.log({ isOn });
    const plan = { name: 'log', count: options.batch, concurrency: CONCURRENCY };
    rounds.get(isOn ? logged : measured)?.push(await round(given, isOn ? logged : measured, plan));
  }
  await caller.log({ isOn: true });
  say(`\nThe log of a graph with 3 durable steps, ${CONCURRENCY} at a time\n${summary(rounds)}`);
}
