import { condition, proxyActivities } from '@temporalio/workflow';
import type { RunActivities } from '../contract/activities.js';
import type { Moved, MoveVersion } from '../contract/messages.js';
import { records } from '../contract/timeouts.js';
import { incompatibilities } from '../definition/compatibility.js';
import type { Plan } from '../definition/plan.js';
import { standingOf } from '../engine/positions.js';
import type { RunSession } from './session.js';

const { loadPlan, recordVersion } = proxyActivities<RunActivities>(records);

/** At the next moment in which nothing is being worked on, the run goes on by another version, if that has a place for it. */
export async function moveTo(session: RunSession, { versionId }: MoveVersion): Promise<Moved> {
  const { run } = session.input;
  session.moving += 1;
  await taken(session);
  try {
    const plan = await loadPlan({ run, versionId });
    const moved = (await stillness(session)) ?? change(session, { plan, versionId });
    if (moved.moved) await recordVersion({ run, versionId });
    return moved;
  } finally {
    session.moving -= 1;
    session.isBeingMoved = false;
  }
}

/** Two who move it do so one after the other. */
async function taken(session: RunSession): Promise<void> {
  while (session.isBeingMoved) await condition(() => !session.isBeingMoved);
  session.isBeingMoved = true;
}

/** Null at a moment in which nothing is being worked on; why there will be none otherwise. */
async function stillness(session: RunSession): Promise<Moved | null> {
  const isDecided = (): boolean => session.busy === 0 || session.state.end !== null || session.draining;
  while (!isDecided()) await condition(isDecided);
  if (session.state.end !== null) return { moved: false, reasons: ['The run has ended.'] };
  return session.draining ? { moved: false, reasons: ['The run is changing hands; ask again.'] } : null;
}

function change(session: RunSession, { plan, versionId }: { readonly plan: Plan; readonly versionId: string }): Moved {
  const reasons = incompatibilities(standingOf(session.plan, session.state), plan);
  if (reasons.length > 0) return { moved: false, reasons };
  for (const nodeId of session.patches.keys()) {
    if (plan.nodes[nodeId]?.kind !== session.plan.nodes[nodeId]?.kind) session.patches.delete(nodeId);
  }
  session.plan = plan;
  session.input = { ...session.input, source: { versionId } };
  return { moved: true };
}
