import type { Generated } from 'kysely';
import type { Json } from '../../workflows/definition/values.js';
import type { Created, Jsonb } from './columns.js';

export type CallStatus = 'pending' | 'connecting' | 'active' | 'completed' | 'failed' | 'disconnected' | 'timeout';

export interface AgentPeriod {
  readonly agent: string;
  readonly node_id: string;
  /** ISO 8601. */
  readonly started_at: string;
  readonly ended_at: string | null;
}

/** Sums over the turns of a call. */
export interface CallSums {
  readonly turns: number;
  readonly llm_ms: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly handoffs: number;
}

export interface CallTables {
  /** Beside the run that carries the call; all from `status` on is kept by triggers and written by nobody else. */
  calls: {
    run_id: string;
    workspace_id: string;
    definition_id: string;
    workflow_slug: string;
    /** The caller, in words of whoever started the call. */
    user_id: string | null;
    call_type: 'voip' | 'sip';
    phone_number: string | null;
    direction: 'inbound' | 'outbound';
    room_name: string;
    user_context: Jsonb<Readonly<Record<string, Json>>>;
    metadata: Jsonb<Readonly<Record<string, Json>>>;
    /** False: started with a test key. */
    is_live: boolean;
    status: Generated<CallStatus>;
    status_reason: string | null;
    current_agent: string | null;
    agent_history: Generated<readonly AgentPeriod[]>;
    metrics: Generated<CallSums>;
    created_at: Created;
    started_at: Date | null;
    /** Since when somebody listens or speaks. */
    connected_at: Date | null;
    ended_at: Date | null;
    /** From `connected_at` to the end; null before it. */
    duration_seconds: number | null;
  };
}
