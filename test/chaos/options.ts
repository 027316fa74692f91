import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';

export interface ChaosOptions {
  /** Of the chain. */
  readonly runs: number;
  /** Of the graphs, the subflows they start not counted. */
  readonly graphs: number;
  /** Inbound webhooks, each of which starts a run. */
  readonly messages: number;
  /** Every random choice of the harness follows from it; what the machine's timing adds does not. */
  readonly seed: number;
  readonly kills: number;
  /** How long everything may take to end once the kills have stopped. */
  readonly patienceMs: number;
  readonly keep: boolean;
}

const SHORT = { runs: 12, graphs: 16, messages: 12, kills: 8, patienceMs: 300_000 };
const FULL = { runs: 120, graphs: 160, messages: 120, kills: 40, patienceMs: 900_000 };

export function readOptions(args: readonly string[]): ChaosOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      runs: { type: 'string' },
      graphs: { type: 'string' },
      seed: { type: 'string' },
      kills: { type: 'string' },
      short: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
    },
  });
  const form = values.short ? SHORT : FULL;
  return {
    ...form,
    runs: whole('--runs', values.runs, form.runs),
    graphs: whole('--graphs', values.graphs, form.graphs),
    seed: whole('--seed', values.seed, randomInt(1, 1_000_000)),
    kills: whole('--kills', values.kills, form.kills),
    keep: values.keep,
  };
}

function whole(name: string, text: string | undefined, preset: number): number {
  if (text === undefined) return preset;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new RangeError(`${name} must be a whole number, not "${text}".`);
}
