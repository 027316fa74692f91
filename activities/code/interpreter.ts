import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import {
  newQuickJSWASMModule,
  newVariant,
  RELEASE_SYNC,
  type CustomizeVariantOptions,
  type QuickJSWASMModule,
} from 'quickjs-emscripten';

/** Node has it; its types leave it to those of browsers. */
declare const WebAssembly: {
  readonly compile: (bytes: Uint8Array) => Promise<WebAssemblyModule>;
  readonly Memory: new (limits: { readonly initial: number; readonly maximum: number }) => WebAssemblyMemory;
};
type WebAssemblyModule = NonNullable<Awaited<CustomizeVariantOptions['wasmModule']>>;
type WebAssemblyMemory = NonNullable<CustomizeVariantOptions['wasmMemory']>;

const PAGES_PER_MB = 16;
/** What the interpreter takes for itself before it runs anything. */
const OWN_PAGES = 16 * PAGES_PER_MB;

/** As the interpreter's own package resolves it, wherever it is installed. */
const wasmFile = createRequire(import.meta.resolve('quickjs-emscripten')).resolve(
  '@jitl/quickjs-wasmfile-release-sync/wasm',
);

/**
 * Makes interpreters of bounded memory. The bound is that of the WebAssembly memory itself: the interpreter's own limit
 * cannot see how large its pieces are.
 */
export async function createInterpreters(): Promise<(memoryMb: number) => Promise<QuickJSWASMModule>> {
  const wasmModule = await WebAssembly.compile(await readFile(wasmFile));
  return (memoryMb) => {
    const maximum = OWN_PAGES + memoryMb * PAGES_PER_MB;
    const wasmMemory = new WebAssembly.Memory({ initial: OWN_PAGES, maximum });
    return newQuickJSWASMModule(newVariant(RELEASE_SYNC, { wasmModule, wasmMemory }));
  };
}
