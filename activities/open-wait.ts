import type { Database } from '../db/client.js';
import { takeStoredEvent } from '../db/events.js';
import { writeFlush } from '../db/run-records.js';
import { scoped } from '../db/scoped.js';
import { cleanJson, presentValue } from '../db/values.js';
import { escalateWait, insertWait, remindWait, type NewWait } from '../db/waits.js';
import type { OpenedWait, OpenWaitInput, RunActivities } from '../workflows/contract/activities.js';
import { visitKey } from '../workflows/contract/ids.js';
import type { OpenWait, RunRef } from '../workflows/contract/run.js';
import { renderTemplate, resolveMapping } from '../workflows/definition/expressions.js';
import type { NodeOf } from '../workflows/definition/plan.js';
import type { Json } from '../workflows/definition/values.js';
import type { WaitNotice } from './announce.js';
import { expressed, loadNames } from './evaluate.js';

export interface WaitDeps {
  readonly db: Database;
  /** Tells those who may decide; called at least once, and never fails. */
  readonly announce: (notice: WaitNotice) => Promise<void>;
}

export function createWaitActivities(deps: WaitDeps): Pick<RunActivities, 'openWait' | 'alarmWait'> {
  return {
    openWait: (input) => openWait(deps, input),
    alarmWait: ({ run, wait, isEscalation }) => alarmWait(deps, { run, wait, isEscalation }),
  };
}

/** What a wait says that has nothing of its own to say. */
export const promptOf = ({ label }: { readonly label: string }): string => `"${label}" waits.`;

/** What a wait's row shows, beside what it is. */
type Shown = Omit<NewWait, 'token' | 'key' | 'run' | 'kind' | 'nodeId' | 'visit' | 'scope' | 'expiresAt' | 'audience'>;

async function openWait(deps: WaitDeps, input: OpenWaitInput): Promise<OpenedWait> {
  const { db } = deps;
  const { run, node, wait, flush } = input;
  if (wait.kind !== 'until') await writeWait(db, input);
  await writeFlush(db, run, flush);
  if (wait.kind === 'decision' || wait.kind === 'parked') await tell(deps, { run, wait, occasion: 'opened' });
  if (node.kind !== 'wait_event' || wait.kind !== 'event') return {};
  // the row was written first: whoever posts an event stores it and then looks for rows
  const { accept_earlier_seconds: acceptEarlierSeconds } = node.config;
  const event = await takeStoredEvent(db, run, { token: wait.token, acceptEarlierSeconds });
  return event === null ? {} : { event };
}

/** A row that is there was written by the request that asked, or by an earlier attempt, and stays as it is. */
async function writeWait(db: Database, input: OpenWaitInput): Promise<void> {
  const { run, wait } = input;
  if ((await scoped(db, run.workspaceId).get('waits', wait.token)) !== undefined) return;
  const { token, kind, nodeId, visit, scope, deadline, audience = null } = wait;
  const place = { token, key: visitKey(wait), run, kind, nodeId, visit, scope };
  await insertWait(db, { audience, ...place, ...(await shownBy(db, input)), expiresAt: deadline });
}

async function shownBy(db: Database, input: OpenWaitInput): Promise<Shown> {
  const { node, wait } = input;
  const { prompt = promptOf(node), event, error } = wait;
  if (node.kind === 'approval' && wait.kind === 'decision') return request(db, node, input);
  if (wait.kind === 'parked') return { prompt, context: error === undefined ? null : { error: { ...error } } };
  if (event === undefined) return { prompt, context: null };
  const ofKey = event.key === null ? '' : ` for "${event.key}"`;
  return { prompt: wait.prompt ?? `The event "${event.name}"${ofKey}.`, context: null, event };
}

/** An approval as its author wrote it, over the values of this run. */
async function request(db: Database, { config }: NodeOf<'approval'>, input: OpenWaitInput): Promise<Shown> {
  const { run, wait } = input;
  const { reason, context } = config;
  const names = await loadNames(db, run, input);
  const shown: Json =
    context === undefined
      ? await presentValue(db, run.workspaceId, input.input)
      : expressed('context', () => cleanJson(resolveMapping(context, names)));
  return {
    prompt: wait.prompt ?? expressed('prompt', () => renderTemplate(config.prompt, names)),
    reason: reason === undefined ? null : expressed('reason', () => renderTemplate(reason, names)),
    context: shown,
    form: config.form ?? null,
    assignee: config.assignee ?? null,
    quorum: config.quorum,
    rejections: config.rejections,
    forbidOwn: config.forbid_own,
  };
}

async function alarmWait(
  deps: WaitDeps,
  { run, wait, isEscalation }: { readonly run: RunRef; readonly wait: OpenWait; readonly isEscalation: boolean },
): Promise<void> {
  const { token, audience = [] } = wait;
  if (isEscalation) await escalateWait(deps.db, run, { token, audience });
  else await remindWait(deps.db, run, token);
  await tell(deps, { run, wait, occasion: isEscalation ? 'escalated' : 'reminded' });
}

/** Tells the people a wait that is still open names. */
async function tell(
  { db, announce }: WaitDeps,
  { run, wait, occasion }: { readonly run: RunRef; readonly wait: OpenWait; readonly occasion: WaitNotice['occasion'] },
): Promise<void> {
  const row = await scoped(db, run.workspaceId).get('waits', wait.token);
  if (row?.status !== 'pending') return;
  const people = [...(row.audience ?? []), ...(row.assignee === null ? [] : [row.assignee])];
  const round = occasion === 'opened' ? '' : `/${occasion}/${(wait.alarms ?? []).length}`;
  await announce({ id: `${wait.token}${round}`, run, token: wait.token, prompt: row.action, people, occasion });
}
