import { proxyActivities } from '@temporalio/workflow';
import type { PreparedChild, RunActivities } from '../contract/activities.js';
import { visitKey } from '../contract/ids.js';
import type { RunInput } from '../contract/run.js';
import { records } from '../contract/timeouts.js';
import type { NodeOf } from '../definition/plan.js';
import { inline, type Value } from '../definition/values.js';
import type { Visit } from '../engine/state.js';
import { endOfChild, launchChild, type Child } from './children.js';
import { failVisit, leave } from './leave.js';
import { valueFor } from './scope.js';
import type { RunSession } from './session.js';

const { prepareChild, loadEnd } = proxyActivities<RunActivities>(records);

/** A run of another definition: its row first, then its workflow, then its end. */
export async function runSubflow(session: RunSession, visit: Visit, node: NodeOf<'subflow'>): Promise<void> {
  const key = visitKey(visit);
  const startedAt = Date.now();
  if (!node.config.wait) return detach(session, visit, node);
  let child: Child | null = null;
  if (!session.children.has(key)) {
    const prepared = await prepare(session, visit, node);
    if ('error' in prepared) return failVisit(session, visit, { error: prepared.error, startedAt });
    session.record(visit, { status: 'running', startedAt });
    session.talk.trace('workflow.subworkflow.enter', node.id, { run_id: prepared.child.run.runId });
    child = await begin(session, key, prepared.child);
  }
  const end = await endOfChild(session, { key, child });
  if (end === null) return;
  if (end.status === 'completed') return leave(session, visit, { output: end.output, startedAt });
  await failVisit(session, visit, { error: end.error, startedAt });
}

/** It may end before this run hears that it has begun, so that it is expected before. */
async function begin(session: RunSession, key: string, input: RunInput): Promise<Child | null> {
  session.children.set(key, input.run);
  try {
    const child = await launchChild(session, { key, input, isDetached: false });
    const end = child === null ? await loadEnd({ run: input.run }) : null;
    if (end !== null && !session.childEnds.has(key)) session.childEnds.set(key, end);
    return child;
  } catch (error) {
    session.children.delete(key);
    throw error;
  }
}

async function detach(session: RunSession, visit: Visit, node: NodeOf<'subflow'>): Promise<void> {
  const startedAt = Date.now();
  const prepared = await prepare(session, visit, node);
  if ('error' in prepared) return failVisit(session, visit, { error: prepared.error, startedAt });
  await launchChild(session, { key: visitKey(visit), input: prepared.child, isDetached: true });
  await leave(session, visit, { output: inline({ run_id: prepared.child.run.runId }), startedAt });
}

async function prepare(session: RunSession, visit: Visit, node: NodeOf<'subflow'>): Promise<PreparedChild> {
  const { run, depth = 0, startedBy = null } = session.input;
  const { definition, version, wait } = node.config;
  const input = await inputFor(session, visit, node);
  const place = { run, key: visitKey(visit), round: session.roundOf(visit) };
  return prepareChild({ ...place, definition, version, input, depth, startedBy, isDetached: !wait });
}

/** Who answers the user of a conversation is given what the user said. */
async function inputFor(session: RunSession, visit: Visit, { config, says }: NodeOf<'subflow'>): Promise<Value> {
  if (config.input !== undefined) return valueFor(session, visit, config.input);
  const { message } = session.talk;
  const isAsked = session.input.isConversation === true && says === true && message !== null;
  return isAsked ? inline({ text: message }) : visit.input;
}
