import type { ActivityKind } from '../../workflows/contract/activities.js';
import type { Cost, RunRef } from '../../workflows/contract/run.js';
import type { Names } from '../../workflows/definition/expressions.js';
import type { NodeOf } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';
import type { RunFactsSource } from '../../db/run-facts.js';
import type { WorkspaceTool } from '../../db/workspace-tools.js';
import type { CodePort } from '../code/port.js';
import type { Egress } from '../egress/egress.js';
import type { KnowledgePort } from '../knowledge/port.js';
import type { LlmPort } from '../llm/port.js';
import type { Prices } from '../llm/prices.js';
import type { MailPort } from '../mail/port.js';
import type { NodeEvent } from './events.js';
import type { Ledger } from './ledger.js';

export interface NodeContext<K extends ActivityKind> {
  readonly run: RunRef;
  readonly node: NodeOf<K>;
  readonly visit: number;
  /** `visitKey`. */
  readonly key: string;
  /** How often a person started the visit anew. */
  readonly round: number;
  readonly attempt: number;
  /** When its first attempt began: the same at every attempt. */
  readonly startedAt: Date;
  /** When this attempt fails, no other follows. */
  readonly isLastAttempt: boolean;
  /** run/key: the same at every attempt. */
  readonly idempotencyKey: string;
  /** The resolved input of the step. */
  readonly input: Json;
  /** What expressions and templates read. */
  readonly names: Names;
  /** Of a test run: an effect is prepared and shown, not carried out. */
  readonly isStubbed: boolean;
  /** Aborted on cancel or when the attempt's time is up; a runner then fails with `timeout`. */
  readonly signal: AbortSignal;
  /** A secret of the run's workspace; throws `NodeFailure` of type `secret_missing` for a name it does not hold. */
  readonly secret: (name: string) => Promise<string>;
  /** Carries out the effects of this visit, each at most once as far as anybody can know. */
  readonly ledger: Ledger;
  /** Shows the run's followers what happens inside the step; never holds it up. */
  readonly emit: (event: NodeEvent) => void;
}

export interface NodeAnswer {
  readonly output: Json;
  /** Variables the step sets. */
  readonly vars?: Readonly<Record<string, Json>>;
  readonly cost?: Cost;
}

/** Throws `NodeFailure`. Outputs, variables and messages may quote secrets: redact before storing. */
export type NodeRunner<K extends ActivityKind> = (context: NodeContext<K>) => Promise<NodeAnswer>;

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
  readonly code: CodePort;
  readonly knowledge: KnowledgePort;
  readonly tool: (workspaceId: string, name: string) => Promise<WorkspaceTool | undefined>;
  readonly prices: Prices;
  readonly runFacts: RunFactsSource;
  /** Resolves after that time; rejects when the signal is aborted before. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}
