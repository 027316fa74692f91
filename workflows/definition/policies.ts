import type { z } from 'zod';
import type { OnErrorPolicy, RetryPolicy } from './graph.js';
import { present } from './present.js';
import { classOfKind, defaultPolicy, type NodeKind, type NodePolicy, type OnError } from './plan.js';

/** How patient the engine is with each kind, when its author says nothing. */

const modelTurn = { timeoutMs: 120_000, maxAttempts: 3 };
const delivery = { timeoutMs: 10_000, maxAttempts: 6 };
const call = { timeoutMs: 30_000, maxAttempts: 4 };

const patience: Partial<Readonly<Record<NodeKind, { readonly timeoutMs: number; readonly maxAttempts: number }>>> = {
  assistant: modelTurn,
  agent: modelTurn,
  llm: modelTurn,
  knowledge: modelTurn,
  // several model calls and the tools between them
  instruction_agent: { timeoutMs: 300_000, maxAttempts: 3 },
  agent_turn: { timeoutMs: 300_000, maxAttempts: 3 },
  webhook: delivery,
  notify: delivery,
  email: delivery,
  channel_send: delivery,
  http: call,
  tool: call,
  code: { timeoutMs: 70_000, maxAttempts: 2 },
};

export interface PolicySource {
  readonly retry?: z.output<typeof RetryPolicy> | undefined;
  /** Seconds. */
  readonly timeout?: number | undefined;
  readonly on_error?: z.output<typeof OnErrorPolicy> | undefined;
}

export function basePolicy(kind: NodeKind): NodePolicy {
  return { ...defaultPolicy, ...patience[kind] };
}

export function policyFor(kind: NodeKind, { retry, timeout, on_error: onError }: PolicySource): NodePolicy {
  return {
    ...basePolicy(kind),
    ...(retry === undefined ? {} : retryPolicy(retry)),
    ...timeLimit(timeout, classOfKind[kind] === 'wait' || classOfKind[kind] === 'frame'),
    ...(onError === undefined ? {} : { onError: onErrorOf(onError) }),
  };
}

function retryPolicy(retry: z.output<typeof RetryPolicy>): Partial<NodePolicy> {
  const first = milliseconds(retry.initial_seconds);
  const longest = milliseconds(retry.max_seconds);
  return present({
    maxAttempts: retry.max_attempts,
    backoffMs: first,
    backoffFactor: retry.factor,
    maxBackoffMs: longest ?? (first === undefined ? undefined : Math.max(first, defaultPolicy.maxBackoffMs)),
    nonRetryable: retry.non_retryable,
  });
}

function timeLimit(timeout: number | undefined, isWhole: boolean): Partial<NodePolicy> {
  const ms = milliseconds(timeout);
  if (ms === undefined) return {};
  return isWhole ? { deadlineMs: ms } : { timeoutMs: ms };
}

export const onErrorOf = (policy: z.output<typeof OnErrorPolicy>): OnError =>
  typeof policy === 'string' ? { action: policy } : policy;

const milliseconds = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : Math.max(1, Math.round(seconds * 1_000));
