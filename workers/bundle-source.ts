import { fileURLToPath } from 'node:url';

/** What every bundle of the workflows is made of: at build time, at a worker's start, in tests. */
export const bundleSource = {
  workflowsPath: fileURLToPath(new URL('../workflows/index.js', import.meta.url)),
  preloadModules: [fileURLToPath(new URL('../workflows/preload.js', import.meta.url))],
  workflowInterceptorModules: [fileURLToPath(new URL('../workflows/trace.js', import.meta.url))],
};
