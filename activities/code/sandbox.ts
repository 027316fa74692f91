import type { QuickJSContext, QuickJSHandle, QuickJSRuntime, QuickJSWASMModule } from 'quickjs-emscripten';
import { LINES_BEFORE_BODY, PRELUDE } from './prelude.js';
import type { CodeReply, CodeRequest } from './protocol.js';

/** Runs in a process of its own. The interpreter is WebAssembly: what it runs reaches nothing but `print`. */

const STACK_BYTES = 256 * 1024;
const MOST_LINES = 100;
const LONGEST_LINE = 1_000;
const LONGEST_MESSAGE = 500;
const JOBS_AT_ONCE = 1_000;
const LONGEST_OUTPUT = 16 * 1024 * 1024;

interface Box {
  readonly runtime: QuickJSRuntime;
  readonly vm: QuickJSContext;
  readonly lines: string[];
  readonly isOver: () => boolean;
}

interface Told {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
}

/** One job, for which the interpreter is used up: nothing of it is there for the next. */
export function runInSandbox(quickjs: QuickJSWASMModule, request: CodeRequest): CodeReply {
  const lines: string[] = [];
  try {
    const deadline = Date.now() + request.timeoutMs;
    const isOver = (): boolean => Date.now() > deadline;
    const runtime = quickjs.newRuntime();
    runtime.setMaxStackSize(STACK_BYTES);
    runtime.setInterruptHandler(isOver);
    const text = execute({ runtime, vm: runtime.newContext(), lines, isOver }, request);
    return { ...replyOf(text, request, isOver()), lines };
  } catch (error) {
    // the interpreter itself gave way
    const said = error instanceof Error ? error.message : String(error);
    const isMemory = /memory/i.test(said);
    return isMemory ? { ...outOfMemory(request), lines } : { ...failed(`The code broke its sandbox: ${said}.`), lines };
  }
}

/** The prelude's JSON text; null when the interpreter itself gave up: no time or no memory was left. */
function execute(box: Box, { source, names }: CodeRequest): string | null {
  const { vm } = box;
  const print = vm.newFunction('print', (line) => addLine(box, line));
  const prelude = valueOf(vm.evalCode(PRELUDE, 'prelude'));
  const run = prelude && valueOf(vm.callFunction(prelude, vm.undefined, print));
  const args = [vm.newString(source), vm.newString(names)];
  const promise = run && valueOf(vm.callFunction(run, vm.undefined, ...args));
  return promise && settle(box, promise);
}

type Result = ReturnType<QuickJSContext['evalCode']>;

const valueOf = (result: Result): QuickJSHandle | null => (result.error === undefined ? result.value : null);

/** Lets the code's promises go on until the result is there. */
function settle({ vm, runtime, isOver }: Box, promise: QuickJSHandle): string | null {
  while (runtime.hasPendingJob() && !isOver()) {
    runtime.executePendingJobs(JOBS_AT_ONCE);
  }
  const state = vm.getPromiseState(promise);
  if (state.type === 'fulfilled') return vm.getString(state.value);
  return state.type === 'pending' && !isOver() && !runtime.hasPendingJob() ? STUCK : null;
}

const STUCK = JSON.stringify({
  error: { name: '', message: 'the code waits for a promise that nothing will ever resolve', stack: '' },
});

function addLine({ vm, lines }: Box, line: QuickJSHandle): void {
  if (lines.length >= MOST_LINES) return;
  const text = vm.getString(line);
  lines.push(text.length > LONGEST_LINE ? `${text.slice(0, LONGEST_LINE)}...` : text);
  if (lines.length === MOST_LINES) lines.push('(more lines are left out)');
}

type Outcome =
  | { readonly output: string }
  | { readonly fault: 'code_failed' | 'code_timeout' | 'code_memory'; readonly message: string };

function replyOf(text: string | null, request: CodeRequest, isOver: boolean): Outcome {
  if (text === null) return isOver ? outOfTime(request) : outOfMemory(request);
  if (text.startsWith(DONE)) return outputOf(text.slice(DONE.length, -1));
  // -- reason: the prelude writes nothing else
  const { error } = JSON.parse(text) as { readonly error: Told };
  if (error.name === 'InternalError' && error.message === 'interrupted') return outOfTime(request);
  if (error.name === 'InternalError' && error.message === 'out of memory') return outOfMemory(request);
  return failed(sentenceOf(error, request));
}

const DONE = '{"output":';

function outputOf(output: string): Outcome {
  if (output.length <= LONGEST_OUTPUT) return { output };
  return failed(`The code returned more than ${LONGEST_OUTPUT / 1024 / 1024} MB of JSON.`);
}

const failed = (message: string): Outcome => ({ fault: 'code_failed', message });

const outOfTime = ({ timeoutMs }: CodeRequest): Outcome => ({
  fault: 'code_timeout',
  message: `The code did not end within ${timeoutMs} ms (timeout_ms).`,
});

const outOfMemory = ({ memoryMb }: CodeRequest): Outcome => ({
  fault: 'code_memory',
  message: `The code needs more than ${memoryMb} MB of memory (memory_mb).`,
});

function sentenceOf({ name, message, stack }: Told, { source }: CodeRequest): string {
  const found = /<input>:(\d+)/.exec(stack)?.[1];
  const last = source.split('\n').length;
  const line = found === undefined ? null : Math.min(Math.max(Number(found) - LINES_BEFORE_BODY, 1), last);
  const said = `${name === '' ? '' : `${name}: `}${message}`.slice(0, LONGEST_MESSAGE);
  return line === null ? `The code failed: ${said}.` : `The code failed in line ${line}: ${said}.`;
}
