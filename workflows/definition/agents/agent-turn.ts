import type { Json } from '../values.js';
import type { ActionTool } from './action-tool.js';

/**
 * One turn of a named agent: the model is asked with the agent's prompt and tools until it answers. It holds copies of the
 * agent and its tools, so that a version runs as it was published, whatever becomes of them.
 *
 * A turn of a call (`answers: 'turn'`) puts out `AgentTurnOutput` and says its `text`. Its tools act on three variables:
 * `context` (shared by all agents), `flags`, and `agent_context` (by node id: what only that agent knows). A step of a staged
 * workflow (`answers: 'output'`) puts out what the agent answered: JSON of `output_schema`, or a text.
 */
export interface AgentTurnConfig {
  /** Name of the agent. */
  readonly agent: string;
  /** Liquid template; reads `user`, `context`, `flags`, `workflow`, `tenant`, `now`, the prompt's variables, `vars`, `steps`. */
  readonly system: string;
  /** Defaults of the prompt's variables. */
  readonly variables?: Readonly<Record<string, Json>>;
  readonly model?: string;
  readonly temperature?: number;
  /** Calls of the model at most. */
  readonly max_steps: number;
  /** Remembers the conversation in `vars._agent_memory_<node id>`. */
  readonly memory: boolean;
  readonly tools: readonly ActionTool[];
  /** The agents it may hand over to; the model gets a tool `handoff_to_<agent>` for each. */
  readonly handoffs: readonly TurnHandoff[];
  /** Keys of `context` that all agents of the workflow share; any other key is the agent's own. */
  readonly shared: readonly string[];
  /** It may end the call: the model gets a tool `end_call`. */
  readonly may_end?: boolean;
  readonly output_schema?: Json;
  readonly answers: 'turn' | 'output';
}

export interface TurnHandoff {
  /** Name of the agent. */
  readonly agent: string;
  /** Its node. */
  readonly node: string;
  readonly description: string;
  /** Once all hold after a turn, control goes over; empty: only when the model or a tool says so. CEL conditions. */
  readonly conditions: readonly string[];
  /** Which keys of the agent's own context go along, to which nodes: the target, and those behind it if it may be skipped. */
  readonly passes: readonly { readonly node: string; readonly keys: readonly string[] }[];
}

export interface AgentTurnOutput {
  readonly text: string;
  readonly agent: string;
  readonly outcome: 'stay' | 'handoff' | 'end';
  /** The node that takes over. */
  readonly target: string | null;
  /** Why the call ends. */
  readonly reason: string | null;
  readonly model: string;
  readonly provider: string;
  readonly usage: { readonly input_tokens: number; readonly output_tokens: number };
  /** Time the model took, in milliseconds. */
  readonly llm_ms: number;
  readonly tool_calls: readonly Json[];
}
