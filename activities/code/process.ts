import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CodeFailure } from './port.js';
import type { CodeReply, CodeRequest } from './protocol.js';

/** Of the process itself: the interpreter's memory is counted apart, by its own limit. */
const HEAP_MB = 128;
const START_MS = 30_000;

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));

/** A process that is ready for a job. */
export interface Sandbox {
  readonly process: ChildProcess;
  readonly ask: (
    request: CodeRequest,
    limits: { readonly ms: number; readonly signal?: AbortSignal },
  ) => Promise<CodeReply>;
  readonly isAlive: () => boolean;
  readonly kill: () => void;
}

/** Where Node can: writing, children and threads are out of the process's reach. */
function permissions(): readonly string[] {
  const flags = ['--permission', '--experimental-permission'];
  const flag = flags.find((each) => process.allowedNodeEnvironmentFlags.has(each));
  return flag === undefined ? [] : [flag, '--allow-fs-read=*'];
}

export async function startSandbox(): Promise<Sandbox> {
  const child = fork(CHILD, [], {
    env: {},
    cwd: path.parse(CHILD).root,
    execArgv: [`--max-old-space-size=${HEAP_MB}`, '--no-warnings', ...permissions()],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  // an idle sandbox holds no process open
  child.unref();
  child.channel?.unref();
  let isEnded = false;
  child.once('exit', () => (isEnded = true)).once('error', () => (isEnded = true));
  const kill = (): void => {
    isEnded = true;
    child.kill('SIGKILL');
  };
  const ask: Sandbox['ask'] = (request, limits) => {
    child.send(request);
    return answerOf(child, { kill, request, ...limits });
  };
  await answerOf(child, { kill, ms: START_MS });
  return { process: child, ask, isAlive: () => !isEnded && child.connected, kill };
}

interface Awaited {
  readonly kill: () => void;
  readonly ms: number;
  readonly request?: CodeRequest;
  readonly signal?: AbortSignal;
}

/** The next message of the process, or what its silence or its end means. */
function answerOf(child: ChildProcess, { kill, ms, request, signal }: Awaited): Promise<CodeReply> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      child.off('message', onMessage).off('exit', onExit).off('error', onError);
      signal?.removeEventListener('abort', onAbort);
      act();
    };
    // -- reason: the child sends nothing else
    const onMessage = (message: unknown): void => settle(() => resolve(message as CodeReply));
    const onError = (error: Error): void => settle(() => reject(error));
    const onExit = (code: number | null, by: string | null): void => settle(() => reject(endedBy(request, code ?? by)));
    const onAbort = (): void =>
      settle(() => {
        kill();
        reject(signal?.reason instanceof Error ? signal.reason : new Error('given up'));
      });
    const timer = setTimeout(() => {
      settle(() => {
        kill();
        reject(request === undefined ? new Error('the sandbox did not start') : stuck(request));
      });
    }, ms);
    child.on('message', onMessage).on('exit', onExit).on('error', onError);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

const stuck = ({ timeoutMs }: CodeRequest): CodeFailure =>
  new CodeFailure('code_timeout', `The code did not end within ${timeoutMs} ms (timeout_ms).`);

/** An end from outside is nobody's fault and worth another try; anything else the code brought about. */
function endedBy(request: CodeRequest | undefined, how: number | string | null): Error {
  if (request === undefined) return new Error(`the sandbox ended as it started (${how ?? 'unknown'})`);
  if (how === 'SIGABRT' || how === 134)
    return new CodeFailure('code_memory', `The code needs more than ${request.memoryMb} MB of memory (memory_mb).`);
  if (typeof how === 'number') return new CodeFailure('code_failed', 'The code brought its sandbox down.');
  return new Error(`the sandbox was ended (${how ?? 'unknown'})`);
}
