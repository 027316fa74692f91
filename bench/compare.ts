import type { Caller } from './caller.js';
import type { CpuTime } from './cpu.js';
import { measure, median, quantile, shown, table } from './figures.js';
import type { BenchOptions } from './options.js';
import type { Stage } from './stage.js';
import type { Group, Subject } from './subjects.js';

export interface Comparison {
  readonly stage: Stage;
  readonly caller: Caller;
  readonly options: BenchOptions;
}

export interface Round {
  readonly rate: number;
  readonly samples: readonly number[];
  /** Processor time a run. */
  readonly cpu: CpuTime;
}

export interface RoundPlan {
  readonly name: string;
  readonly count: number;
  readonly concurrency: number;
}

/** Rounds of each subject in turn, so that what else the machine does falls on all of them. */
export async function compare(given: Comparison, group: Group, say: (text: string) => void): Promise<void> {
  const { options } = given;
  const { subjects } = group;
  const count = Math.max(1, Math.round(options.batch * group.share));
  for (const subject of subjects) await round(given, subject, { name: `${group.id}/warm`, count, concurrency: 4 });
  for (const concurrency of options.concurrency) {
    const rounds = new Map<Subject, Round[]>(subjects.map((subject) => [subject, []]));
    for (let index = 0; index < options.rounds; index += 1) {
      const order = subjects.map((each, at) => subjects[(at + index) % subjects.length] ?? each);
      for (const subject of order) {
        const name = `${group.id}/${concurrency}/${index}`;
        rounds.get(subject)?.push(await round(given, subject, { name, count, concurrency }));
      }
    }
    say(
      `\n${group.title}: ${concurrency} at a time, ${options.rounds} rounds of ${count} runs each\n${summary(rounds)}`,
    );
  }
}

export async function round({ stage, caller }: Comparison, { way }: Subject, plan: RoundPlan): Promise<Round> {
  const { name, count, concurrency } = plan;
  const before = stage.cpu();
  const { samples, totalMs } =
    way.by === 'hand'
      ? await measure({ count, concurrency }, (n) => stage.runByHand(way.workflow, `hand/${name}/${n}`))
      : await caller.batch({
          ...{ by: way.by === 'chain' ? 'chain' : 'graph', slug: way.slug, count, concurrency },
          until: way.by === 'wait' ? 'answered' : 'ended',
        });
  const after = stage.cpu();
  const cpu = { ownMs: (after.ownMs - before.ownMs) / count, allMs: (after.allMs - before.allMs) / count };
  return { rate: (count / totalMs) * 1_000, samples, cpu };
}

/** The first is what the others are compared with, round by round. */
export function summary(rounds: ReadonlyMap<Pick<Subject, 'name'>, readonly Round[]>): string {
  const [base = []] = rounds.values();
  const rows = [...rounds].map(([{ name }, own]) => {
    const samples = own.flatMap((each) => each.samples);
    const ratio = median(own.map((each, index) => each.rate / (base[index]?.rate ?? Number.NaN)));
    return [
      name.padEnd(28),
      shown(median(own.map((each) => each.rate)), 1),
      shown(quantile(samples, 0.5)),
      shown(quantile(samples, 0.95)),
      shown(ratio, 2),
      shown(median(own.map((each) => each.cpu.ownMs)), 1),
      shown(median(own.map((each) => each.cpu.allMs)), 1),
    ];
  });
  return table([['', 'runs/s', 'p50 ms', 'p95 ms', 'ratio', 'node cpu ms', 'all cpu ms'], ...rows]);
}
