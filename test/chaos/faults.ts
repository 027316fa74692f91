import type { ServerResponse } from 'node:http';
import { randomOf, type Random } from './random.js';

/** What a receiver does to a request on a bad day. After the last three nobody but the receiver knows what happened. */
export type Fault = 'error' | 'busy' | 'drop' | 'dropAfterEffect' | 'hangAfterEffect';

/** Some keys meet up to two faults before they get through; only where the caller's patience is short does one hang. */
export function faultsOf(random: Random, mayHang: boolean): Fault[] {
  const count = random.chance(0.5) ? 0 : random.between(1, 3);
  const all: readonly Fault[] = ['error', 'busy', 'drop', 'dropAfterEffect', 'hangAfterEffect'];
  return [...random.shuffled(all)].filter((fault) => mayHang || fault !== 'hangAfterEffect').slice(0, count);
}

/** Faults of the question whether a key took effect, which changes nothing. */
export const questionFaultsOf = (seed: number, key: string): Fault[] =>
  faultsOf(randomOf(seed, `seen/${key}`), false).slice(0, 1);

export const leavesNoEffect = (fault: Fault | undefined): boolean =>
  fault === 'error' || fault === 'busy' || fault === 'drop';

export interface Ordinary {
  readonly status: number;
  readonly body: object;
}

export function answer(response: ServerResponse, fault: Fault | undefined, { status, body }: Ordinary): void {
  switch (fault) {
    case undefined:
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      return;
    case 'error':
      response.writeHead(500).end('on fire');
      return;
    case 'busy':
      response.writeHead(429, { 'retry-after': '1' }).end();
      return;
    case 'drop':
    case 'dropAfterEffect':
      response.destroy();
      return;
    case 'hangAfterEffect':
    // the caller gives up first
  }
}
