import { setTimeout as pause } from 'node:timers/promises';
import { killKinds, type KillKind, type Platform } from './platform.js';
import { randomOf } from './random.js';

export type KillCounts = Readonly<Record<KillKind, number>>;

/** Longer than the API waits for Temporal: what it accepts meanwhile is delivered when Temporal is back. */
const LONG_MS = 6_000;

export interface KillerOptions {
  readonly platform: Pick<Platform, 'kill'>;
  readonly seed: number;
  readonly kills: number;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** Kills one after the other, every kind equally often, now and then the next while the last is still coming up. */
export async function killAround({ platform, seed, kills, signal, say }: KillerOptions): Promise<KillCounts> {
  const random = randomOf(seed, 'kills');
  const counts: Record<KillKind, number> = { worker: 0, api: 0, temporal: 0, postgres: 0 };
  const order = Array.from({ length: Math.ceil(kills / killKinds.length) }, () => random.shuffled(killKinds)).flat();
  const comingUp = new Map<KillKind, Promise<void>>();
  for (const [index, kind] of order.slice(0, kills).entries()) {
    await pause(random.between(700, 2_500), undefined, { signal });
    await comingUp.get(kind);
    const downMs = kind === 'temporal' && counts.temporal % 2 === 0 ? LONG_MS : random.between(100, 1_500);
    say(`kill ${index + 1} of ${kills}: ${kind}, down for ${downMs} ms`);
    counts[kind] += 1;
    const back = platform.kill(kind, random.between(0, 2), downMs);
    // awaited before the next of its kind, or at the end; until then its failure must not end the process
    back.catch(() => undefined);
    comingUp.set(kind, back);
    if (!random.chance(0.25)) await back;
  }
  await Promise.all(comingUp.values());
  return counts;
}
