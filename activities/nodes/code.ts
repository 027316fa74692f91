import type { CodeResult } from '../code/port.js';
import { CodeFailure } from '../code/port.js';
import type { NodeAnswer, NodeContext, NodeDeps, NodeRunner } from './context.js';
import { NodeFailure, outOfTime } from './failure.js';

const ARGUMENTS = ['input', 'vars', 'steps', 'run', 'item', 'index'] as const;

async function execute(context: NodeContext<'code'>, { code: port }: NodeDeps): Promise<NodeAnswer> {
  const { source, timeout_ms: timeoutMs, memory_mb: memoryMb } = context.node.config;
  const names = Object.fromEntries(ARGUMENTS.map((name) => [name, context.names[name] ?? null]));
  const { signal } = context;
  const tell = (lines: readonly string[]): void => {
    if (lines.length > 0) context.emit({ type: 'log', lines });
  };
  let result: CodeResult;
  try {
    result = await port.run({ source, names, timeoutMs, memoryMb, signal });
  } catch (error) {
    if (signal.aborted) throw outOfTime('The code', { cause: error });
    if (!(error instanceof CodeFailure)) throw error;
    tell(error.lines);
    // the same code over the same input fails the same way
    throw new NodeFailure(error.type, error.message, { retryable: false });
  }
  tell(result.lines);
  return { output: result.output };
}

/** Output: what the code returns. What it prints is shown as an event of the run. */
export const code =
  (deps: NodeDeps): NodeRunner<'code'> =>
  (context) =>
    execute(context, deps);
