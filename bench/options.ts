import { parseArgs } from 'node:util';
import { GROUPS, type Group } from './subjects.js';

export interface BenchOptions {
  readonly parts: ReadonlySet<string>;
  /** Interleaved rounds for each concurrency. */
  readonly rounds: number;
  /** Runs of each kind a round. */
  readonly batch: number;
  readonly concurrency: readonly number[];
  readonly groups: readonly Group[];
  /** Runs that wait for a person. */
  readonly waiting: number;
}

const PARTS = [...GROUPS.map(({ id }) => id), 'api', 'identity', 'conversations', 'log', 'streams', 'waiting'];

export function readOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      batch: { type: 'string', default: '40' },
      concurrency: { type: 'string', default: '1,8,20' },
      waiting: { type: 'string', default: '2000' },
    },
  });
  const stranger = positionals.find((part) => !PARTS.includes(part));
  if (stranger !== undefined) throw new RangeError(`There is no part "${stranger}": choose of ${PARTS.join(', ')}.`);
  const parts = new Set(positionals.length === 0 ? PARTS : positionals);
  return {
    parts,
    groups: GROUPS.filter(({ id }) => parts.has(id)),
    rounds: whole('--rounds', values.rounds),
    batch: whole('--batch', values.batch),
    concurrency: values.concurrency.split(',').map((text) => whole('--concurrency', text)),
    waiting: whole('--waiting', values.waiting),
  };
}

function whole(name: string, text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new RangeError(`${name} must be a whole number above 0, not "${text}".`);
}
