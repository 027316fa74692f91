import {
  claimDueMessages,
  findMessage,
  markDead,
  markProcessed,
  type IngressMessage,
  type MessageRef,
} from '../../../db/ingress-messages.js';
import { sourceOfMessage } from '../../../db/ingress-sources.js';
import { derivedId } from '../../../db/ids.js';
import { scoped } from '../../../db/scoped.js';
import type { IngressStatus } from '../../../db/tables.js';
import type { Database } from '../../../db/client.js';
import type { Json } from '../../../workflows/definition/values.js';
import { anonymous } from '../../actor.js';
import { ApiError, conflict } from '../../http/errors.js';
import { checkInput } from '../json-check.js';
import type { RunEventService } from '../run-events.js';
import { targetOf, type RunTarget, type RunTargetDeps } from '../run-target.js';
import type { RunService } from '../runs.js';
import { valueOf } from './content.js';
import { planOf, type Planned } from './mapping.js';

export interface ProcessDeps extends RunTargetDeps {
  readonly db: Database;
  readonly runs: Pick<RunService, 'start'>;
  readonly events: Pick<RunEventService, 'raise'>;
  readonly log: { readonly warn: (fields: object, message: string) => void };
}

const PREFIX_LENGTH = 'msg_'.length;
const seedOf = (messageId: string): string => messageId.slice(PREFIX_LENGTH);

/** The run a message starts: made of its id, so that one message is one run, however often it is tried. */
export const runIdOf = (messageId: string): string => derivedId('run', seedOf(messageId));

/** Tries a message that was just stored; answers what became of it. */
export async function tryMessage(deps: ProcessDeps, ref: MessageRef): Promise<IngressStatus> {
  const message = await findMessage(deps.db, ref);
  if (message === undefined) return 'dead';
  return message.status === 'received' ? processMessage(deps, message) : message.status;
}

const BATCH = 50;
const AT_ONCE = 10;

/** Tries what nobody has: its process died, or it failed for a while. Any number of processes may do so. */
export async function sweepMessages(deps: ProcessDeps): Promise<void> {
  for (let isMore = true; isMore;) {
    const due = await claimDueMessages(deps.db, BATCH);
    for (let from = 0; from < due.length; from += AT_ONCE) {
      await Promise.all(due.slice(from, from + AT_ONCE).map((message) => processMessage(deps, message)));
    }
    isMore = due.length === BATCH;
  }
}

/** About an hour and a half, with the pauses of `claimDueMessages`. */
const MOST_ATTEMPTS = 14;

async function processMessage(deps: ProcessDeps, message: IngressMessage): Promise<IngressStatus> {
  try {
    await carryOut(deps, message);
    return 'processed';
  } catch (error) {
    const reason = deadReason(error, message);
    const { id, attempts } = message;
    deps.log.warn({ message: id, attempts, reason: reason ?? String(error) }, 'an inbound webhook was not processed');
    if (reason === null) return 'received';
    await markDead(deps.db, refOf(message), reason);
    return 'dead';
  }
}

const refOf = (message: IngressMessage): MessageRef => ({ workspaceId: message.workspace_id, id: message.id });

/** Null for a fault that may pass by itself. */
function deadReason(error: unknown, { attempts }: IngressMessage): string | null {
  if (error instanceof ApiError && error.status < 500 && error.status !== 429) return error.message;
  if (attempts < MOST_ATTEMPTS) return null;
  return `It was tried ${attempts} times and the platform failed each time: redrive it when that is mended.`;
}

async function carryOut(deps: ProcessDeps, message: IngressMessage): Promise<void> {
  const run = { workspaceId: message.workspace_id, runId: runIdOf(message.id) };
  const ref = refOf(message);
  const accepted = await scoped(deps.db, run.workspaceId)
    .select('runs')
    .select('definition_id')
    .where('id', '=', run.runId)
    .executeTakeFirst();
  // whatever has become of its definition since: the row of a run is what starts it
  if (accepted !== undefined) {
    const { definition_id: id } = accepted;
    return markProcessed(deps.db, ref, { runId: run.runId, ...(id === null ? {} : { definitionId: id }) });
  }
  const planned = await plannedFor(deps.db, message);
  return 'definition' in planned ? start(deps, message, planned) : raise(deps, message, planned);
}

async function plannedFor(db: Database, message: IngressMessage): Promise<Planned> {
  const { source_id: sourceId, workspace_id: workspaceId, definition_id: definition } = message;
  if (sourceId === null) {
    const input = valueOf({ contentType: message.content_type, body: message.body });
    return { definition: definition ?? '', input };
  }
  const source = await sourceOfMessage(db, { workspaceId, id: sourceId });
  if (source === undefined || source.deleted_at !== null) throw conflict('Its source was deleted.');
  return planOf(message, source);
}

type Start = Extract<Planned, { readonly definition: string }>;
type Raise = Extract<Planned, { readonly event: unknown }>;

async function start(deps: ProcessDeps, message: IngressMessage, planned: Start): Promise<void> {
  const { workspace_id: workspaceId, trigger, actor, source_id: sourceId } = message;
  const ref = refOf(message);
  // a signed-in caller tries drafts; strangers do not reach them
  const takesDrafts = sourceId === null && trigger === 'ingress';
  const { definition, kind, plan } = await startTarget(deps, { workspaceId, takesDrafts, ...planned });
  await deps.runs.start({
    ...{ workspaceId, definition, kind, plan, trigger, actor },
    input: planned.input,
    seed: seedOf(message.id),
    alongside: (trx, { runId }) => markProcessed(trx, ref, { runId, definitionId: definition.id }),
  });
}

async function raise(deps: ProcessDeps, message: IngressMessage, { event, payload }: Raise): Promise<void> {
  const { id, workspace_id: workspaceId } = message;
  await deps.events.raise({ actor: { ...anonymous, workspaceId }, ...event, id, payload, seed: seedOf(id) });
  await markProcessed(deps.db, refOf(message), { event });
}

export interface StartAsked {
  readonly workspaceId: string;
  readonly definition: string;
  readonly input: Json;
  readonly takesDrafts: boolean;
}

/** What a message would run now; a refusal with a sentence where it may not. */
export async function startTarget(deps: RunTargetDeps, asked: StartAsked): Promise<RunTarget> {
  const { workspaceId, input, takesDrafts } = asked;
  const row = await scoped(deps.db, workspaceId)
    .select('definitions')
    .select(['id', 'kind', 'slug', 'name', 'document', 'version_id', 'status'])
    .where('id', '=', asked.definition)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  if (row === undefined) throw conflict('The definition it is to start was deleted.');
  if (row.status === 'paused') throw conflict(`"${row.name}" is paused: set it live, then redrive the message.`);
  if (row.kind === 'chain' && row.status === 'draft' && !takesDrafts)
    throw conflict(`"${row.name}" is a draft: set it live, then redrive the message.`);
  const target = await targetOf(deps, workspaceId, { definition: row, version: undefined });
  checkInput(target.plan, input, 'input');
  return target;
}
