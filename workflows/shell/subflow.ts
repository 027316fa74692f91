import {
  ChildWorkflowCancellationType,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  ParentClosePolicy,
  proxyActivities,
  startChild,
  workflowInfo,
  type ChildWorkflowHandle,
} from '@temporalio/workflow';
import type { RunActivities } from '../contract/activities.js';
import { runWorkflowId, visitKey } from '../contract/ids.js';
import type { ChildEnd, RunInput, RunResult } from '../contract/run.js';
import { records } from '../contract/timeouts.js';
import type { NodeOf } from '../definition/plan.js';
import { inline, type Value } from '../definition/values.js';
import type { Visit } from '../engine/state.js';
import { failureOf } from './failures.js';
import { failVisit, leave } from './leave.js';
import { valueFor } from './scope.js';
import type { RunSession } from './session.js';
import { whole } from './writes.js';

const { prepareChild } = proxyActivities<RunActivities>(records);

type Child = ChildWorkflowHandle<(input: RunInput) => Promise<RunResult>>;

/** A run of another definition: its row first, then its workflow, then its end. */
export async function runSubflow(session: RunSession, visit: Visit, node: NodeOf<'subflow'>): Promise<void> {
  const key = visitKey(visit);
  const startedAt = Date.now();
  let child: Child | null = null;
  if (!session.children.has(key) && !session.childEnds.has(key)) {
    const input = await inputFor(session, visit, node);
    const prepared = await prepare(session, key, { node, input });
    if ('error' in prepared) return failVisit(session, visit, { error: prepared.error, startedAt });
    session.record(visit, { status: 'running', startedAt });
    session.talk.trace('workflow.subworkflow.enter', node.id, { run_id: prepared.child.run.runId });
    child = await launch(session, key, { input: prepared.child, isDetached: !node.config.wait });
    if (!node.config.wait) {
      return leave(session, visit, { output: inline({ run_id: prepared.child.run.runId }), startedAt });
    }
    session.children.set(key, prepared.child.run);
  }
  const end = await endOf(session, key, child);
  if (end === null) return;
  session.children.delete(key);
  session.childEnds.delete(key);
  if (end.status === 'completed') return leave(session, visit, { output: end.output, startedAt });
  failVisit(session, visit, { error: end.error, startedAt });
}

/** Who answers the user of a conversation is given what the user said. */
async function inputFor(session: RunSession, visit: Visit, { config, says }: NodeOf<'subflow'>): Promise<Value> {
  if (config.input !== undefined) return valueFor(session, visit, config.input);
  const { message } = session.talk;
  const isAsked = session.input.isConversation === true && says === true && message !== null;
  return isAsked ? inline({ text: message }) : visit.input;
}

function prepare(
  session: RunSession,
  key: string,
  { node, input }: { readonly node: NodeOf<'subflow'>; readonly input: Value },
) {
  const { run, depth = 0, startedBy = null } = session.input;
  const { definition, version, wait } = node.config;
  const { round = 0 } = session.retries.get(key) ?? {};
  return prepareChild({ run, key, round, definition, version, input, depth, startedBy, isDetached: !wait });
}

async function launch(
  session: RunSession,
  key: string,
  { input, isDetached }: { readonly input: RunInput; readonly isDetached: boolean },
): Promise<Child> {
  const { workspaceId, runId } = input.run;
  const parent = { workflowId: workflowInfo().workflowId, key };
  const { priority } = session.input;
  return startChild<(input: RunInput) => Promise<RunResult>>('run', {
    workflowId: runWorkflowId(workspaceId, runId),
    args: [isDetached ? input : { ...input, parent }],
    // It tells us its end itself, so that it may outlive this execution of ours; cancelling reaches it all the same.
    parentClosePolicy: ParentClosePolicy.ABANDON,
    cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
    priority: { fairnessKey: workspaceId, ...(priority === undefined ? {} : { priorityKey: priority }) },
  });
}

/** By the child's own word after this run continued as new; null when the run drains. */
async function endOf(session: RunSession, key: string, child: Child | null): Promise<ChildEnd | null> {
  const known: { end?: ChildEnd; cancelled?: unknown } = {};
  if (child !== null) void watch(child, known);
  const isOver = (): boolean => known.end !== undefined || known.cancelled !== undefined || session.childEnds.has(key);
  try {
    await session.idle(isOver, null);
  } catch (error) {
    if (isCancellation(error)) await whole(() => stop(session, key, { child, isOver }));
    throw error;
  }
  return session.childEnds.get(key) ?? known.end ?? null;
}

async function watch(child: Child, known: { end?: ChildEnd; cancelled?: unknown }): Promise<void> {
  try {
    const { output } = await child.result();
    known.end = { status: 'completed', output: output ?? inline(null) };
  } catch (error) {
    if (isCancellation(error)) known.cancelled = error;
    known.end = { status: 'failed', error: childError(error) };
  }
}

function childError(error: unknown) {
  if (!isCancellation(error)) return failureOf(error).error;
  return { type: 'child_cancelled', message: 'The run it had started was cancelled.' };
}

/** A child this execution started is asked by its own scope; one of an earlier execution from outside. */
async function stop(
  session: RunSession,
  key: string,
  { child, isOver }: { readonly child: Child | null; readonly isOver: () => boolean },
): Promise<void> {
  const run = session.children.get(key);
  if (child === null && run !== undefined) {
    await getExternalWorkflowHandle(runWorkflowId(run.workspaceId, run.runId))
      .cancel()
      .catch(() => undefined);
  }
  await condition(isOver);
  session.children.delete(key);
  session.childEnds.delete(key);
}
