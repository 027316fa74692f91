import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Batch, Log, Measured, Prepare, Requests, Resume } from './caller-process.js';

/** The program that calls our API: a process of its own, as a caller is. */
export interface Caller {
  readonly prepare: (task: Omit<Prepare, 'task'>) => Promise<string>;
  readonly batch: (task: Omit<Batch, 'task'>) => Promise<Measured>;
  readonly resume: (task: Omit<Resume, 'task'>) => Promise<Measured>;
  readonly log: (task: Omit<Log, 'task'>) => Promise<string>;
  readonly requests: (task: Omit<Requests, 'task'>) => Promise<Measured>;
  readonly stop: () => Promise<void>;
}

export function startCaller(): Caller {
  const child = fork(fileURLToPath(new URL('./caller-process.js', import.meta.url)), { execArgv: [] });
  const ask = async <T>(message: Prepare | Batch | Resume | Log | Requests): Promise<T> => {
    child.send(message);
    // -- reason: the process answers each message with what its task makes
    const [answer] = (await once(child, 'message')) as [{ readonly result?: T; readonly failure?: string }];
    if (answer.result === undefined) throw new Error(answer.failure ?? 'the caller failed');
    return answer.result;
  };
  return {
    prepare: (task) => ask({ task: 'prepare', ...task }),
    batch: (task) => ask({ task: 'batch', ...task }),
    resume: (task) => ask({ task: 'resume', ...task }),
    log: (task) => ask({ task: 'log', ...task }),
    requests: (task) => ask({ task: 'requests', ...task }),
    stop: async () => {
      if (!child.connected) return;
      child.disconnect();
      await once(child, 'exit');
    },
  };
}
