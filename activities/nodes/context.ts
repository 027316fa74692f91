import type { ActivityKind } from '../../workflows/contract/activities.js';
import type { RunRef } from '../../workflows/contract/run.js';
import type { NodeOf } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';
import type { Egress } from '../egress/egress.js';
import type { LlmPort } from '../llm/port.js';
import type { MailPort } from '../mail/port.js';

export interface NodeContext<K extends ActivityKind> {
  readonly run: RunRef;
  readonly node: NodeOf<K>;
  readonly visit: number;
  readonly attempt: number;
  /** run/node/visit: the same at every attempt. */
  readonly idempotencyKey: string;
  /** The resolved input of the step. */
  readonly input: Json;
  /** Aborted on cancel or when the attempt's time is up; a runner then fails with `timeout`. */
  readonly signal: AbortSignal;
  /** A secret of the run's workspace; throws `NodeFailure` of type `secret_missing` for a name it does not hold. */
  readonly secret: (name: string) => Promise<string>;
}

/** Answers the step's output, or throws `NodeFailure`. Outputs and messages may quote secrets: redact before storing. */
export type NodeRunner<K extends ActivityKind> = (context: NodeContext<K>) => Promise<Json>;

/** Total: a kind that activities execute does not compile without its runner. */
export type NodeRunners = { readonly [K in ActivityKind]: NodeRunner<K> };

export interface NodeLog {
  readonly info: (fields: object, message: string) => void;
}

export interface NodeDeps {
  readonly egress: Egress;
  readonly llm: LlmPort;
  /** Null when no mail server is configured. */
  readonly mail: MailPort | null;
  readonly log: NodeLog;
}
