import type { RunRef } from '../workflows/contract/run.js';
import type { Json } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import type { LoggedEvent } from './run-events.js';
import { scoped } from './scoped.js';
import { jsonText } from './values.js';

export interface NewCall {
  readonly definitionId: string;
  readonly workflowSlug: string;
  readonly userId: string | null;
  readonly callType: 'voip' | 'sip';
  readonly phoneNumber: string | null;
  readonly direction: 'inbound' | 'outbound';
  readonly roomName: string;
  readonly userContext: Readonly<Record<string, Json>>;
  readonly metadata: Readonly<Record<string, Json>>;
  readonly isLive: boolean;
}

/** Beside its run's row, in the same transaction; a call that is there stays as it is. */
export async function insertCall(db: Database, { workspaceId, runId }: RunRef, call: NewCall): Promise<void> {
  await scoped(db, workspaceId)
    .insert('calls', {
      run_id: runId,
      definition_id: call.definitionId,
      workflow_slug: call.workflowSlug,
      user_id: call.userId,
      call_type: call.callType,
      phone_number: call.phoneNumber,
      direction: call.direction,
      room_name: call.roomName,
      user_context: jsonText(call.userContext),
      metadata: jsonText(call.metadata),
      is_live: call.isLive,
    })
    .onConflict((conflict) => conflict.column('run_id').doNothing())
    .execute();
}

/** The call's own part of its run's log. */
export const callEvents = (
  db: Database,
  { workspaceId, runId }: RunRef,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<readonly LoggedEvent[]> =>
  scoped(db, workspaceId)
    .select('run_events')
    .select(['run_id', 'seq', 'type', 'data', 'at'])
    .where('run_id', '=', runId)
    .where('type', '=', 'call')
    .where('seq', '>', after)
    .orderBy('seq')
    .limit(limit)
    .execute();
