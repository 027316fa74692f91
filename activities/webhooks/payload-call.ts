import type { Database } from '../../db/client.js';
import { scoped } from '../../db/scoped.js';
import type { CallSums } from '../../db/tables/calls.js';
import type { Json } from '../../workflows/definition/values.js';
import type { Happened, Part } from './payload.js';

/** A longer transcript is cut at its beginning: how a call ended is what a receiver looks for. */
const TRANSCRIPT_BYTES = 64 * 1024;
const MOST_LINES = 1_000;

/** A call as section 11 of its contract shows it. Status and agents are those of the event, not of a later moment. */
export async function callPart(db: Database, happened: Happened): Promise<Part> {
  const { workspaceId, runId, data } = happened;
  const call = await scoped(db, workspaceId)
    .select('calls')
    .selectAll('calls')
    .where('run_id', '=', runId)
    .executeTakeFirst();
  const duration = data['duration_seconds'] ?? null;
  const previous = data['previous_agent'];
  const transcript = await transcriptUpTo(db, happened);
  return {
    isLive: call?.is_live ?? true,
    data: {
      call_id: runId,
      room_name: call?.room_name ?? null,
      workflow_id: data['workflow_id'] ?? null,
      workflow_slug: data['workflow_slug'] ?? null,
      user_id: data['user_id'] ?? null,
      direction: call?.direction ?? null,
      status: data['status'] ?? null,
      status_reason: data['status_reason'] ?? null,
      duration_seconds: duration,
      current_agent: data['agent'] ?? null,
      ...(previous === undefined ? {} : { agent: data['agent'] ?? null, previous_agent: previous }),
      agent_history: (call?.agent_history ?? []).map((period) => ({ ...period })),
      ...transcript,
      metrics: call === undefined ? null : metricsOf(call.metrics, duration),
      metadata: call?.metadata ?? {},
      started_at: call?.started_at?.toISOString() ?? null,
      ended_at: call?.ended_at?.toISOString() ?? null,
    },
  };
}

/** As the call's own detail shows them; what no text call measures is null. */
const metricsOf = (sums: CallSums, duration: Json): Json => ({
  duration_seconds: duration,
  stt_latency_ms: null,
  llm_latency_ms: sums.turns === 0 ? null : Math.round(sums.llm_ms / sums.turns),
  tts_latency_ms: null,
  total_tokens: sums.input_tokens + sums.output_tokens,
  agent_handoffs: sums.handoffs,
});

async function transcriptUpTo(
  db: Database,
  { workspaceId, runId, seq }: Happened,
): Promise<Readonly<Record<string, Json>>> {
  const rows = await scoped(db, workspaceId)
    .select('run_events')
    .select(['data', 'at'])
    .where('run_id', '=', runId)
    .where('type', '=', 'call')
    .where('seq', '<', seq)
    .orderBy('seq', 'desc')
    .limit(MOST_LINES)
    .execute();
  const lines: Json[] = [];
  let bytes = 0;
  for (const { data, at } of rows) {
    if (data['event'] !== 'call.transcript') continue;
    const { role = null, content = null, agent = null } = data;
    const line = { role, content, agent, timestamp: at.toISOString() };
    bytes += Buffer.byteLength(JSON.stringify(line));
    if (bytes > TRANSCRIPT_BYTES) return { transcript: lines.toReversed(), transcript_cut: true };
    lines.push(line);
  }
  return { transcript: lines.toReversed(), ...(rows.length === MOST_LINES ? { transcript_cut: true } : {}) };
}
