import type { Caller } from './caller.js';
import type { CpuTime } from './cpu.js';
import { measure, median, quantile, shown, table } from './figures.js';
import type { BenchOptions, Subject } from './options.js';
import type { Stage } from './stage.js';

interface Round {
  readonly rate: number;
  readonly samples: readonly number[];
  /** Processor time a run. */
  readonly cpu: CpuTime;
}

const NAMES: Readonly<Record<Subject, string>> = {
  hand: 'hand-written, 3 activities',
  agents: 'chain, 3 durable steps',
  notes: 'chain, 3 fast steps',
};

export interface Comparison {
  readonly stage: Stage;
  readonly caller: Caller;
  readonly options: BenchOptions;
}

/** Rounds of each kind in turn, so that what else the machine does falls on all of them. */
export async function compare(given: Comparison, say: (text: string) => void): Promise<void> {
  const { options } = given;
  for (const subject of options.subjects) await round(given, subject, { concurrency: 4, index: 0 });
  for (const concurrency of options.concurrency) {
    const rounds: Record<Subject, Round[]> = { hand: [], agents: [], notes: [] };
    for (let index = 1; index <= options.rounds; index += 1) {
      const order = options.subjects.map(
        (each, at) => options.subjects[(at + index) % options.subjects.length] ?? each,
      );
      for (const subject of order) rounds[subject].push(await round(given, subject, { concurrency, index }));
    }
    say(
      `\n${concurrency} at a time, ${options.rounds} rounds of ${options.batch} runs each\n${summary(options.subjects, rounds)}`,
    );
  }
}

async function round(
  { stage, caller, options: { batch } }: Comparison,
  subject: Subject,
  { concurrency, index }: { readonly concurrency: number; readonly index: number },
): Promise<Round> {
  const before = stage.cpu();
  const { samples, totalMs } =
    subject === 'hand'
      ? await measure({ count: batch, concurrency }, (n) => stage.runByHand(`hand/${concurrency}/${index}/${n}`))
      : await caller.batch({ slug: subject, count: batch, concurrency, until: 'ended' });
  const after = stage.cpu();
  const cpu = { ownMs: (after.ownMs - before.ownMs) / batch, allMs: (after.allMs - before.allMs) / batch };
  return { rate: (batch / totalMs) * 1_000, samples, cpu };
}

function summary(subjects: readonly Subject[], rounds: Readonly<Record<Subject, readonly Round[]>>): string {
  const rows = subjects.map((subject) => {
    const samples = rounds[subject].flatMap((each) => each.samples);
    const ratio = median(rounds[subject].map((each, index) => each.rate / (rounds.hand[index]?.rate ?? Number.NaN)));
    return [
      NAMES[subject].padEnd(28),
      shown(median(rounds[subject].map((each) => each.rate)), 1),
      shown(quantile(samples, 0.5)),
      shown(quantile(samples, 0.95)),
      shown(ratio, 2),
      shown(median(rounds[subject].map((each) => each.cpu.ownMs)), 1),
      shown(median(rounds[subject].map((each) => each.cpu.allMs)), 1),
    ];
  });
  return table([['', 'runs/s', 'p50 ms', 'p95 ms', 'ratio', 'node cpu ms', 'all cpu ms'], ...rows]);
}

/** What the API adds to the bare start of a workflow, while nothing else happens. */
export async function measureApiWork({ stage, caller }: Comparison, say: (text: string) => void): Promise<void> {
  await caller.batch({ slug: 'notes', count: 50, concurrency: 1, until: 'ended' });
  stage.takeStartTimes();
  await caller.batch({ slug: 'notes', count: 200, concurrency: 1, until: 'ended' });
  const times = stage.takeStartTimes();
  const added = times.map(({ requestMs, temporalMs }) => requestMs - temporalMs);
  const request = times.map(({ requestMs }) => requestMs);
  say(
    `\nPOST run, ${times.length} one at a time: p50 ${shown(quantile(request, 0.5), 1)} ms, of which on top of the ` +
      `Temporal start p50 ${shown(quantile(added, 0.5), 1)} ms, p95 ${shown(quantile(added, 0.95), 1)} ms`,
  );
}
