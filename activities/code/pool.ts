import type { Json } from '../../workflows/definition/values.js';
import { CodeFailure, type CodeJob, type CodePort, type CodeResult } from './port.js';
import { startSandbox, type Sandbox } from './process.js';

const PROCESSES = 2;
/** How much later than the interpreter's own limit its process is ended. */
const GRACE_MS = 1_000;

/**
 * Runs users' code in processes apart, one job at a time in each. A process that does not answer in time is killed, and
 * another takes its place when it is needed.
 */
export function createCodePool({ size = PROCESSES }: { readonly size?: number } = {}): CodePort {
  const idle: Sandbox[] = [];
  const all = new Set<Sandbox>();
  const queue = createQueue(size);
  let isClosed = false;

  const take = async (): Promise<Sandbox> => {
    if (isClosed) throw new Error('the sandbox is closed');
    const known = idle.pop();
    if (known?.isAlive() === true) return known;
    const fresh = await startSandbox();
    all.add(fresh);
    return fresh;
  };
  const giveBack = (sandbox: Sandbox): void => {
    if (sandbox.isAlive() && !isClosed) idle.push(sandbox);
    else all.delete(sandbox);
  };
  const run = async (job: CodeJob): Promise<CodeResult> => {
    const sandbox = await take();
    try {
      return await runJob(sandbox, job);
    } catch (error) {
      throw isClosed ? new Error('the sandbox was closed', { cause: error }) : error;
    } finally {
      giveBack(sandbox);
    }
  };
  return {
    run: (job) => queue(() => run(job)),
    close: async () => {
      isClosed = true;
      await Promise.all([...all].map(endOf));
      all.clear();
    },
  };
}

/** At most so many at once; the rest wait in their order. */
function createQueue(size: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let busy = 0;
  return async (work) => {
    if (busy < size) busy += 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) busy -= 1;
      else next();
    }
  };
}

function endOf({ process, isAlive, kill }: Sandbox): Promise<void> {
  if (!isAlive()) return Promise.resolve();
  return new Promise((resolve) => {
    process.ref();
    process.once('exit', () => resolve());
    kill();
  });
}

async function runJob(sandbox: Sandbox, { source, names, timeoutMs, memoryMb, signal }: CodeJob): Promise<CodeResult> {
  signal.throwIfAborted();
  const request = { source, names: JSON.stringify(names), timeoutMs, memoryMb };
  const reply = await sandbox.ask(request, { ms: timeoutMs + GRACE_MS, signal });
  if ('output' in reply) return { output: JSON.parse(reply.output) as Json, lines: reply.lines }; // -- its own JSON
  if ('fault' in reply) throw new CodeFailure(reply.fault, reply.message, reply.lines);
  throw new Error('the sandbox answered out of turn');
}
