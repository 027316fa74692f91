import { condition, proxyActivities } from '@temporalio/workflow';
import type { RunActivities } from '../contract/activities.js';
import type { Moved, MoveVersion } from '../contract/messages.js';
import { records } from '../contract/timeouts.js';
import { incompatibilities } from '../definition/compatibility.js';
import { standingOf } from '../engine/positions.js';
import type { RunSession } from './session.js';

const { loadPlan, recordVersion } = proxyActivities<RunActivities>(records);

/** At the next moment in which nothing is being worked on, the run goes on by another version, if that has a place for it. */
export async function moveTo(session: RunSession, { versionId }: MoveVersion): Promise<Moved> {
  session.moving += 1;
  try {
    await condition(() => session.busy === 0 || session.state.end !== null || session.draining);
    if (session.state.end !== null) return { moved: false, reasons: ['The run has ended.'] };
    if (session.draining) return { moved: false, reasons: ['The run is changing hands; ask again.'] };
    const { run } = session.input;
    const plan = await loadPlan({ run, versionId });
    const reasons = incompatibilities(standingOf(session.plan, session.state), plan);
    if (reasons.length > 0) return { moved: false, reasons };
    session.plan = plan;
    session.input = { ...session.input, source: { versionId } };
    await recordVersion({ run, versionId });
    return { moved: true };
  } finally {
    session.moving -= 1;
  }
}
