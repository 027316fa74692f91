import { parseArgs } from 'node:util';

export interface BenchOptions {
  readonly parts: ReadonlySet<string>;
  /** Interleaved rounds for each concurrency. */
  readonly rounds: number;
  /** Runs of each kind a round. */
  readonly batch: number;
  readonly concurrency: readonly number[];
  /** What is measured beside each other; the hand-written one is what the rest is compared with. */
  readonly subjects: readonly Subject[];
  /** Runs that wait for a person. */
  readonly waiting: number;
}

export const SUBJECTS = ['hand', 'agents', 'notes'] as const;
export type Subject = (typeof SUBJECTS)[number];

const PARTS = ['chain', 'waiting'];

export function readOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      batch: { type: 'string', default: '40' },
      subjects: { type: 'string', default: SUBJECTS.join(',') },
      concurrency: { type: 'string', default: '1,8,20' },
      waiting: { type: 'string', default: '2000' },
    },
  });
  const stranger = positionals.find((part) => !PARTS.includes(part));
  if (stranger !== undefined) throw new RangeError(`There is no part "${stranger}": choose of ${PARTS.join(', ')}.`);
  return {
    parts: new Set(positionals.length === 0 ? PARTS : positionals),
    rounds: whole('--rounds', values.rounds),
    batch: whole('--batch', values.batch),
    subjects: SUBJECTS.filter((subject) => values.subjects.split(',').includes(subject)),
    concurrency: values.concurrency.split(',').map((text) => whole('--concurrency', text)),
    waiting: whole('--waiting', values.waiting),
  };
}

function whole(name: string, text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new RangeError(`${name} must be a whole number above 0, not "${text}".`);
}
