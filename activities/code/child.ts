import { newQuickJSWASMModule, RELEASE_SYNC } from 'quickjs-emscripten';
import type { CodeReply, CodeRequest } from './protocol.js';
import { runInSandbox } from './sandbox.js';

/** The sandbox's process: no environment, no files to write, no children. It ends with whoever started it. */
process.on('disconnect', () => process.exit(0));

const quickjs = await newQuickJSWASMModule(RELEASE_SYNC);

const reply = (message: CodeReply): void => {
  process.send?.(message);
};

process.on('message', (message) => {
  // -- reason: only the pool talks to this process
  reply(runInSandbox(quickjs, message as CodeRequest));
});

reply({ ready: true });
