import { messageOf } from './errors.js';

export interface Stoppable {
  readonly stop: () => void | Promise<void>;
  /** What is done when the person will not wait. */
  readonly kill?: () => void;
}

/** What was started and how it ends, the last one first. */
export interface Cleanup {
  /** Once the end has begun, whatever is added is stopped at once and refused. */
  readonly add: (name: string, started: Stoppable) => Promise<void>;
  readonly run: () => Promise<void>;
  /** Ends the processes without waiting for any of them. */
  readonly force: () => void;
}

export class Stopped extends Error {
  override readonly name = 'Stopped';
}

export function createCleanup(report: (message: string) => void): Cleanup {
  const started: { readonly name: string; readonly it: Stoppable }[] = [];
  let ending = false;
  const end = async (name: string, it: Stoppable): Promise<void> => {
    try {
      await it.stop();
    } catch (error) {
      report(`${name} did not stop cleanly: ${messageOf(error)}`);
    }
  };
  return {
    add: async (name, it) => {
      if (ending) {
        await end(name, it);
        throw new Stopped();
      }
      started.push({ name, it });
    },
    run: async () => {
      ending = true;
      for (let last = started.at(-1); last !== undefined; last = started.at(-1)) {
        await end(last.name, last.it);
        started.pop();
      }
    },
    force: () => {
      ending = true;
      for (const { it } of started) it.kill?.();
    },
  };
}
