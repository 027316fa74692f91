import type { CallRow } from '../../../db/calls.js';
import type { CallStatus } from '../../../db/tables/calls.js';
import type { AgentPeriod } from '../../../db/tables/calls.js';
import type { Json } from '../../../workflows/definition/values.js';

/** Calls as the API shows them. */

export const callStatuses = [
  'pending',
  'connecting',
  'active',
  'completed',
  'failed',
  'disconnected',
  'timeout',
] as const satisfies readonly CallStatus[];

export const isOver = (status: CallStatus): boolean =>
  status !== 'pending' && status !== 'connecting' && status !== 'active';

/** Media is none of ours, so nothing is known of how long it took to hear and to speak. */
export interface CallMetrics {
  readonly duration_seconds: number | null;
  readonly stt_latency_ms: null;
  readonly llm_latency_ms: number | null;
  readonly tts_latency_ms: null;
  readonly total_tokens: number;
  readonly agent_handoffs: number;
}

export interface CallView {
  readonly id: string;
  readonly workflow_id: string;
  readonly workflow_slug: string;
  readonly user_id: string | null;
  readonly call_type: 'voip' | 'sip';
  readonly phone_number: string | null;
  readonly direction: 'inbound' | 'outbound';
  readonly room_name: string;
  readonly status: CallStatus;
  readonly status_reason: string | null;
  readonly duration_seconds: number | null;
  readonly current_agent: string | null;
  readonly agent_history: readonly AgentPeriod[];
  readonly metrics: CallMetrics;
  readonly user_context: Readonly<Record<string, Json>>;
  readonly metadata: Readonly<Record<string, Json>>;
  readonly livemode: boolean;
  readonly created_at: Date;
  readonly started_at: Date | null;
  readonly connected_at: Date | null;
  readonly ended_at: Date | null;
}

export const callMetrics = ({ metrics, duration_seconds }: CallRow): CallMetrics => ({
  duration_seconds,
  stt_latency_ms: null,
  llm_latency_ms: metrics.turns === 0 ? null : Math.round(metrics.llm_ms / metrics.turns),
  tts_latency_ms: null,
  total_tokens: metrics.input_tokens + metrics.output_tokens,
  agent_handoffs: metrics.handoffs,
});

export function callView(row: CallRow): CallView {
  const {
    run_id: id,
    definition_id: workflow_id,
    workspace_id: _own,
    is_live: livemode,
    metrics: _sums,
    ...call
  } = row;
  return { id, workflow_id, livemode, metrics: callMetrics(row), ...call };
}
