import type { TemporalGateway } from '../../api/temporal/gateway.js';
import { silentTemporal } from './silent-temporal.js';

type Calls = Omit<TemporalGateway, 'schedules'>;

export interface ScriptedTemporal {
  readonly gateway: TemporalGateway;
  /** What each function was asked, in order. */
  readonly asked: (name: keyof Calls) => readonly (readonly unknown[])[];
  /** From here on these answer; the others are silent again. */
  readonly play: (script: Partial<Calls>) => void;
}

/** Temporal played by the test, where what is tested is what the API makes of its answers. */
export function scriptedTemporal(): ScriptedTemporal {
  const { schedules, ...silent } = silentTemporal();
  let script: Calls = silent;
  const log: { readonly name: string; readonly args: readonly unknown[] }[] = [];
  const entries = Object.keys(silent).map((name) => [
    name,
    (...args: readonly unknown[]) => {
      log.push({ name, args });
      // -- reason: a function of this very name, called with what it was called with
      const play = script[name as keyof Calls] as (...all: readonly unknown[]) => unknown;
      return play(...args);
    },
  ]);
  return {
    // -- reason: every function of the gateway, by name
    gateway: { ...(Object.fromEntries(entries) as Calls), schedules },
    asked: (name) => log.filter((call) => call.name === name).map(({ args }) => args),
    play: (next) => {
      log.length = 0;
      script = { ...silent, ...next };
    },
  };
}
