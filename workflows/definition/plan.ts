import type { Json } from './values.js';

/**
 * The one form every document compiles to: a small typed graph that the engine interprets.
 * A plan is immutable; a run is bound to one plan for its whole life.
 */
export interface Plan {
  readonly entry: string;
  readonly nodes: Readonly<Record<string, PlanNode>>;
  readonly edges: readonly PlanEdge[];
}

/** What a node does when its attempts are used up. `route` follows the edges of port `error`. */
export type OnError =
  { readonly action: 'fail' } | { readonly action: 'route' } | { readonly action: 'fallback'; readonly value: Json };

export interface NodePolicy {
  /** Attempts in all; failures of our own database or a lost worker never count. */
  readonly maxAttempts: number;
  /** First pause between attempts; doubles up to `maxBackoffMs`. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** Longest time one attempt may take. */
  readonly timeoutMs: number;
  readonly onError: OnError;
}

/** The configuration of each node kind. A new kind starts here; the compiler then lists what it still lacks. */
export interface NodeConfigs {
  /** Hands its input on unchanged: triggers, inbound webhooks, markers. */
  readonly pass: Readonly<Record<string, never>>;
  /** Follows the first of its edges whose condition holds for its input. */
  readonly branch: Readonly<Record<string, never>>;
  /** Waits until `need` of its incoming edges have arrived; its output is `{sourceNodeId: output}`. */
  readonly join: { readonly need: 'all' | number };
  /** Waits: so many seconds, or until the next time a cron expression fires in its zone. */
  readonly delay: { readonly seconds: number } | { readonly cron: string; readonly timezone: string };
  /** Waits for a person's decision; ports `approved`, `rejected` and `expired`. */
  readonly approval: ApprovalConfig;
  /** One turn of a scripted assistant. */
  readonly assistant: ModelTurnConfig;
  /** One turn of an AI agent. */
  readonly agent: ModelTurnConfig;
  /** Signed JSON POST to an outside address. */
  readonly webhook: WebhookConfig;
  /** Message to a person or a log. */
  readonly notify: NotifyConfig;
}

export interface ApprovalConfig {
  readonly prompt: string;
  readonly assignee?: string;
  readonly reason?: string;
  readonly context?: Json;
  readonly timeoutSeconds?: number;
}

export interface ModelTurnConfig {
  /** Slug or label of the agent; stands in the system prompt until agents are bound by id. */
  readonly agent: string;
  readonly instructions?: string;
  /** Liquid template of the user message over `input`; without it the input's text is the message. */
  readonly message?: string;
  readonly model?: string;
}

export interface WebhookConfig {
  readonly url: string;
  readonly secret?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface NotifyConfig {
  readonly channel: 'log' | 'email' | 'webhook';
  /** E-mail address or webhook address; unused by `log`. */
  readonly to?: string;
  readonly subject?: string;
  /** Liquid template over `input`; without it the input's text. */
  readonly text?: string;
  readonly secret?: string;
}

export type NodeKind = keyof NodeConfigs;

export type NodeOf<K extends NodeKind> = {
  readonly [Each in K]: {
    readonly id: string;
    readonly kind: Each;
    readonly label: string;
    /** The author's word for this step (`trigger`, `human`, `decide`, ...), shown in traces. */
    readonly dialectKind: string;
    readonly policy: NodePolicy;
    readonly config: NodeConfigs[Each];
  };
}[K];

export type PlanNode = NodeOf<NodeKind>;

export type Condition =
  | { readonly type: 'always' }
  /** Case-insensitive substring of the text of the node's output. */
  | { readonly type: 'contains'; readonly text: string };

/** The way out of a node. `error` is taken on failure under `route`; approvals have ports of their own. */
export type Port = 'out' | 'error' | 'approved' | 'rejected' | 'expired';

export interface PlanEdge {
  readonly from: string;
  readonly to: string;
  readonly port: Port;
  readonly condition: Condition;
  /** What the author calls this way, such as a branch's name; null for a plain sequence. */
  readonly label: string | null;
}

/** How the engine treats a kind, and so what it costs. */
export type ExecutionClass =
  /** Synchronously, inside the workflow. */
  | 'inline'
  /** One activity a node. */
  | 'durable'
  /** Short and safe to repeat: a line of them shares one activity. */
  | 'fast'
  /** Nothing runs: a person, an event or a clock moves it on. */
  | 'wait';

/** Total over kinds: a kind without an entry does not compile. */
const classOfKind: Readonly<Record<NodeKind, ExecutionClass>> = {
  pass: 'inline',
  branch: 'inline',
  join: 'inline',
  delay: 'wait',
  approval: 'wait',
  assistant: 'durable',
  agent: 'durable',
  webhook: 'durable',
  notify: 'durable',
};

export function executionClass(node: PlanNode): ExecutionClass {
  return node.kind === 'notify' && node.config.channel === 'log' ? 'fast' : classOfKind[node.kind];
}

export const defaultPolicy: NodePolicy = {
  maxAttempts: 3,
  backoffMs: 1_000,
  maxBackoffMs: 60_000,
  timeoutMs: 60_000,
  onError: { action: 'fail' },
};
