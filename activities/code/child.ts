import { createInterpreters } from './interpreter.js';
import type { CodeReply, CodeRequest } from './protocol.js';
import { runInSandbox } from './sandbox.js';

/** The sandbox's process: no environment, no files to write, no children. It ends with whoever started it. */
process.on('disconnect', () => process.exit(0));

const reply = (message: CodeReply): void => {
  process.send?.(message);
};

const create = await createInterpreters();
/** Made ahead, since the next job mostly wants as much memory as the last. */
let spare = { memoryMb: 32, interpreter: create(32) };

async function serve(request: CodeRequest): Promise<void> {
  const { memoryMb } = request;
  const interpreter = memoryMb === spare.memoryMb ? spare.interpreter : create(memoryMb);
  reply(runInSandbox(await interpreter, request));
  spare = { memoryMb, interpreter: create(memoryMb) };
}

process.on('message', (message) => {
  // -- reason: only the pool talks to this process
  void serve(message as CodeRequest);
});

await spare.interpreter;
reply({ ready: true });
