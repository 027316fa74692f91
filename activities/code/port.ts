import type { Json } from '../../workflows/definition/values.js';

export interface CodeJob {
  /** The body of a function. */
  readonly source: string;
  /** Its arguments by name. */
  readonly names: Readonly<Record<string, Json>>;
  readonly timeoutMs: number;
  readonly memoryMb: number;
  readonly signal: AbortSignal;
}

export interface CodeResult {
  readonly output: Json;
  /** What it printed, cut to a bearable length. */
  readonly lines: readonly string[];
}

/** The one way to run users' code. Throws `CodeFailure`. */
export interface CodePort {
  readonly run: (job: CodeJob) => Promise<CodeResult>;
  readonly close: () => Promise<void>;
}

export type CodeFault = 'code_failed' | 'code_timeout' | 'code_memory';

/** The code itself failed; what it had printed is worth seeing all the more. */
export class CodeFailure extends Error {
  override readonly name = 'CodeFailure';
  readonly type: CodeFault;
  readonly lines: readonly string[];

  constructor(type: CodeFault, message: string, lines: readonly string[] = []) {
    super(message);
    this.type = type;
    this.lines = lines;
  }
}
