import type { Cost } from '../../workflows/contract/run.js';

/** Why a node's attempt failed: stable words that users see as the error's type. */
export const Fault = {
  configInvalid: 'config_invalid',
  templateInvalid: 'template_invalid',
  secretMissing: 'secret_missing',
  addressRefused: 'address_refused',
  network: 'network_error',
  timeout: 'timeout',
  httpStatus: 'http_status',
  mailNotConfigured: 'mail_not_configured',
  mailRejected: 'mail_rejected',
  mailFailed: 'mail_failed',
  modelRejected: 'model_rejected',
  modelFailed: 'model_failed',
  /** The model's answer is not of the form asked for. */
  modelOutput: 'model_output_invalid',
  /** What a tool is called with does not fit its parameters. */
  argsInvalid: 'args_invalid',
  knowledgeNotConfigured: 'knowledge_not_configured',
  codeFailed: 'code_failed',
  codeTimeout: 'code_timeout',
  codeMemory: 'code_memory',
  /** An effect was begun and nobody knows whether it happened. */
  outcomeUnknown: 'outcome_unknown',
  reconcileFailed: 'reconcile_failed',
} as const;
export type Fault = (typeof Fault)[keyof typeof Fault];

export interface NodeFailureOptions {
  readonly retryable: boolean;
  /** The peer's own word on when to come again. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
  /** The effect may have happened: it was on its way and no answer came. */
  readonly isUnknown?: boolean;
  /** What the attempt cost although it failed. */
  readonly cost?: Cost | undefined;
}

/** One attempt of a node failed. The message is a sentence for the author of the node; it never quotes a secret. */
export class NodeFailure extends Error {
  readonly type: Fault;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly isUnknown: boolean;
  readonly cost: Cost | null;

  constructor(type: Fault, message: string, options: NodeFailureOptions) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'NodeFailure';
    this.type = type;
    this.retryable = options.retryable;
    this.isUnknown = options.isUnknown ?? false;
    this.cost = options.cost ?? null;
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs;
  }
}

export const withCost = (
  { type, message, retryable, retryAfterMs, isUnknown, cause }: NodeFailure,
  cost: Cost,
): NodeFailure => new NodeFailure(type, message, { retryable, retryAfterMs, isUnknown, cause, cost });

/** The node as it is written can never succeed. */
export const invalid = (type: Fault, message: string, cause?: unknown): NodeFailure =>
  new NodeFailure(type, message, { retryable: false, cause });

/** What a caller sees after its signal: a cancelled run looks at its own signal first, so this means the time is up. */
export const outOfTime = (
  what: string,
  { cause, isUnknown = false }: { readonly cause?: unknown; readonly isUnknown?: boolean } = {},
): NodeFailure =>
  new NodeFailure(Fault.timeout, `${what} did not answer within the time limit of this step.`, {
    retryable: true,
    cause,
    isUnknown,
  });

/** Another attempt may mend it; after the last one the model is told, unless the outcome is unknown. */
export function isForModel(
  { isLastAttempt, signal }: { readonly isLastAttempt: boolean; readonly signal: AbortSignal },
  error: unknown,
): error is NodeFailure {
  if (!(error instanceof NodeFailure) || error.isUnknown || signal.aborted) return false;
  return !error.retryable || isLastAttempt;
}
