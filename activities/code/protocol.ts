import type { CodeFault } from './port.js';

/** What goes to the sandbox's process: everything as text, so that nothing is shared. */
export interface CodeRequest {
  readonly source: string;
  /** JSON text of the arguments by name. */
  readonly names: string;
  readonly timeoutMs: number;
  readonly memoryMb: number;
}

export type CodeReply =
  | { readonly ready: true }
  /** JSON text. */
  | { readonly output: string; readonly lines: readonly string[] }
  | { readonly fault: CodeFault; readonly message: string; readonly lines: readonly string[] };
