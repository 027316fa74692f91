import type { z } from 'zod';
import type { AgentTurnConfig } from './agents/agent-turn.js';
import type * as effects from './nodes/effects.js';
import type * as flow from './nodes/flow.js';
import type * as models from './nodes/models.js';
import type * as waits from './nodes/waits.js';
import type { Json } from './values.js';

/**
 * The one form every document compiles to: a small typed graph that the engine interprets.
 * A plan is immutable; a run is bound to one plan until it is moved to another version.
 */
export interface Plan {
  readonly entry: string;
  readonly nodes: Readonly<Record<string, PlanNode>>;
  readonly edges: readonly PlanEdge[];
  /** JSON Schemas, checked at start and at the end. */
  readonly inputSchema?: Json;
  readonly outputSchema?: Json;
}

/**
 * What a node does when its attempts are used up. `route` follows the edges of port `error`; `park` waits for somebody
 * to retry it.
 */
export type OnError =
  | { readonly action: 'fail' }
  | { readonly action: 'route' }
  | { readonly action: 'fallback'; readonly value: Json }
  | { readonly action: 'park' };

export interface NodePolicy {
  /** Attempts in all; failures of our own database or a lost worker never count. */
  readonly maxAttempts: number;
  /** First pause between attempts; grows by `backoffFactor` (2) up to `maxBackoffMs`. */
  readonly backoffMs: number;
  readonly backoffFactor?: number;
  readonly maxBackoffMs: number;
  /** Longest time one attempt may take. */
  readonly timeoutMs: number;
  /** Types of errors that are never tried again, beside those that never are. */
  readonly nonRetryable?: readonly string[];
  /** Longest time a visit of a map, loop, subflow or wait may take in all; then it fails with `timeout`. */
  readonly deadlineMs?: number;
  readonly onError: OnError;
}

/** The configuration of each node kind. A new kind starts here; the compiler then lists what it still lacks. */
export interface NodeConfigs {
  /** Hands its input on unchanged: triggers, inbound webhooks, splits, markers. */
  readonly pass: Readonly<Record<string, never>>;
  /** Gives variables new values; its output is an object of them. */
  readonly set: z.output<typeof flow.SetConfig>;
  /** Follows the first of its edges whose condition holds. */
  readonly branch: Readonly<Record<string, never>>;
  /** Waits until `need` of its incoming edges have arrived; its output is `{sourceNodeId: output}`. */
  readonly join: { readonly need: 'all' | number; readonly cancelRest?: boolean };
  /** Ends its path; with `terminate` the run. */
  readonly end: z.output<typeof flow.EndConfig>;
  /** Answers the caller that waits for the run, and goes on. */
  readonly respond: z.output<typeof flow.RespondConfig>;
  /** Undoes what is finished and can be undone, newest first, and goes on. */
  readonly compensate: z.output<typeof flow.CompensateConfig>;
  /** Withdraws what is under way in other nodes. */
  readonly cancel: z.output<typeof flow.CancelConfig>;
  /** Its body once an item, results in the items' order. */
  readonly map: z.output<typeof flow.MapConfig>;
  /** Its body again and again; its output is that of the last round. A block that runs once is a loop of one round. */
  readonly loop: z.output<typeof flow.LoopConfig>;
  readonly subflow: z.output<typeof flow.SubflowConfig>;
  /** Waits: so many seconds, or until the next time a cron expression fires in its zone. */
  readonly delay: { readonly seconds: number } | { readonly cron: string; readonly timezone: string };
  readonly until: z.output<typeof waits.UntilConfig>;
  /** Waits for people's decision; ports `approved`, `rejected` and `expired`. */
  readonly approval: z.output<typeof waits.ApprovalConfig>;
  /** Waits for an event; ports `out` and `timeout`. */
  readonly wait_event: z.output<typeof waits.WaitEventConfig>;
  /** Waits for the user's next message; a run that is no conversation ends its path here. */
  readonly listen: z.output<typeof waits.ListenConfig>;
  /** One turn of a scripted assistant. */
  readonly assistant: ModelTurnConfig;
  /** One turn of an AI agent. */
  readonly agent: ModelTurnConfig;
  /** A turn of an agent with tools and memory. */
  readonly instruction_agent: z.output<typeof models.AgentConfig>;
  /** A turn of a named agent, in a call or a staged workflow. */
  readonly agent_turn: AgentTurnConfig;
  readonly llm: z.output<typeof models.LlmConfig>;
  readonly knowledge: z.output<typeof models.KnowledgeConfig>;
  readonly http: z.output<typeof effects.HttpConfig>;
  readonly tool: z.output<typeof effects.ToolConfig>;
  readonly code: z.output<typeof effects.CodeConfig>;
  readonly email: z.output<typeof effects.EmailConfig>;
  readonly channel_send: z.output<typeof effects.ChannelSendConfig>;
  /** Signed JSON POST to an outside address. */
  readonly webhook: z.output<typeof effects.WebhookConfig>;
  /** Message to a person or a log. */
  readonly notify: NotifyConfig;
}

export interface ModelTurnConfig {
  /** Slug or label of the agent; stands in the system prompt until agents are bound by id. */
  readonly agent: string;
  readonly instructions?: string;
  /** Liquid template of the user message over `input`; without it the input's text is the message. */
  readonly message?: string;
  readonly model?: string;
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

/** Which names the expressions and templates of a node use, so that only these travel to where they are evaluated. */
export interface Reads {
  readonly vars?: boolean;
  /** Ids of nodes whose last output is read. */
  readonly steps?: readonly string[];
  /** `run.input` and the like. */
  readonly run?: boolean;
  /** `item` and `index` of the map or loop around it. */
  readonly item?: boolean;
  readonly message?: boolean;
  /**
   * Of nodes that came from another workflow: what stands in front of the ids in `steps` that their expressions do not
   * write. `steps: ['sub.fetch']` with the prefix `sub.` is read as `steps.fetch`.
   */
  readonly prefix?: string;
}

export type NodeOf<K extends NodeKind> = {
  readonly [Each in K]: {
    readonly id: string;
    readonly kind: Each;
    readonly label: string;
    /** The author's word for this step (`trigger`, `human`, `decide`, ...), shown in traces. */
    readonly dialectKind: string;
    readonly policy: NodePolicy;
    readonly config: NodeConfigs[Each];
    /** Of several edges of one port whose conditions hold: the first in order (default), or all of them. */
    readonly exits?: 'first' | 'all';
    /** The map or loop whose body this node belongs to. */
    readonly within?: string;
    /** The node that undoes this one: run on failure, on cancel and by `compensate`, with `{input, output}`. */
    readonly undo?: string;
    /** Nodes of one name never run at the same time in one run. */
    readonly mutex?: string;
    /** The variable that takes the output. */
    readonly saveAs?: string;
    /** Its text is said to the user of a conversation. */
    readonly says?: boolean;
    readonly reads?: Reads;
  };
}[K];

export type PlanNode = NodeOf<NodeKind>;

export type Condition =
  | { readonly type: 'always' }
  /** Case-insensitive substring of the text of the node's output; `of: 'message'`: of the user's last message. */
  | { readonly type: 'contains'; readonly text: string; readonly of?: 'output' | 'message' }
  /** Loose equality of a variable (dotted path, `vars.` may be left out) with a text, number or boolean. */
  | { readonly type: 'equals'; readonly path: string; readonly value: string }
  /** `input` is the node's output. */
  | { readonly type: 'cel'; readonly expr: string; readonly reads?: Reads };

/** The way out of a node: `error` is taken on failure under `route`. */
export type Port = 'out' | 'error' | 'approved' | 'rejected' | 'expired' | 'timeout';

export interface PlanEdge {
  /** The author's, where the document has one. */
  readonly id?: string;
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
  | 'wait'
  /** Its body, or a run of its own, runs inside it. */
  | 'frame';

/** Total over kinds: a kind without an entry does not compile. */
export const classOfKind: Readonly<Record<NodeKind, ExecutionClass>> = {
  pass: 'inline',
  set: 'inline',
  branch: 'inline',
  join: 'inline',
  end: 'inline',
  respond: 'inline',
  cancel: 'inline',
  compensate: 'frame',
  map: 'frame',
  loop: 'frame',
  subflow: 'frame',
  delay: 'wait',
  until: 'wait',
  approval: 'wait',
  wait_event: 'wait',
  listen: 'wait',
  assistant: 'durable',
  agent: 'durable',
  instruction_agent: 'durable',
  agent_turn: 'durable',
  llm: 'durable',
  knowledge: 'durable',
  http: 'durable',
  tool: 'durable',
  code: 'durable',
  email: 'durable',
  channel_send: 'durable',
  webhook: 'durable',
  notify: 'durable',
};

/** A log line and a computation may be repeated without harm. */
export function executionClass(node: PlanNode): ExecutionClass {
  const isLog = (node.kind === 'notify' || node.kind === 'channel_send') && node.config.channel === 'log';
  return isLog || node.kind === 'code' ? 'fast' : classOfKind[node.kind];
}

export const defaultPolicy: NodePolicy = {
  maxAttempts: 3,
  backoffMs: 1_000,
  maxBackoffMs: 60_000,
  timeoutMs: 60_000,
  onError: { action: 'fail' },
};
