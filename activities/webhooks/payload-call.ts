import type { Selectable } from 'kysely';
import type { Database } from '../../db/client.js';
import { scoped } from '../../db/scoped.js';
import type { CallSums } from '../../db/tables/calls.js';
import type { Tables } from '../../db/tables.js';
import type { Json } from '../../workflows/definition/values.js';
import { iso, present } from './fields.js';
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
  const transcript = await transcriptUpTo(db, happened);
  const kept = call === undefined ? {} : keptOf(call, data['duration_seconds'] ?? null);
  return {
    isLive: call?.is_live ?? true,
    data: { ...toldOf(runId, data), ...kept, ...transcript },
  };
}

/** What the event itself says. */
function toldOf(runId: string, data: Happened['data']): Readonly<Record<string, Json>> {
  const { workflow_id, workflow_slug, user_id, status, status_reason, duration_seconds, agent, previous_agent } = data;
  return {
    call_id: runId,
    ...present({ workflow_id, workflow_slug, user_id, status, status_reason, duration_seconds, current_agent: agent }),
    ...(previous_agent === undefined ? {} : present({ agent, previous_agent })),
  };
}

/** What the call's row says. */
const keptOf = (call: Selectable<Tables['calls']>, duration: Json): Readonly<Record<string, Json>> => ({
  room_name: call.room_name,
  direction: call.direction,
  agent_history: call.agent_history.map((period) => ({ ...period })),
  metrics: metricsOf(call.metrics, duration),
  metadata: call.metadata,
  started_at: iso(call.started_at),
  ended_at: iso(call.ended_at),
});

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
