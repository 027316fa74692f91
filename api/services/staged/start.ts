import { ensureVersion } from '../../../db/definitions.js';
import type { Database } from '../../../db/client.js';
import { derivedId } from '../../../db/ids.js';
import { findStagedDefinition } from '../../../db/staged-runs.js';
import type { RunRef } from '../../../workflows/contract/run.js';
import type { Json } from '../../../workflows/definition/values.js';
import type { Actor } from '../../actor.js';
import { notFound } from '../../http/errors.js';
import { actingWorkspace } from '../acting-workspace.js';
import { runTags } from '../caller.js';
import { checkInput } from '../json-check.js';
import type { RunTargetDeps } from '../run-target.js';
import type { RunService } from '../runs.js';
import type { StarterService } from '../starters.js';

/** The body of a run, as the surface spells it. */
export interface StagedRunBody {
  readonly message: string;
  readonly conversation_id?: string | null | undefined;
  readonly location?: Location | null | undefined;
  readonly share_location?: boolean | null | undefined;
}

interface Location {
  readonly city?: string | null | undefined;
  readonly region?: string | null | undefined;
  readonly country?: string | null | undefined;
  readonly timezone?: string | null | undefined;
}

export interface NewStagedRun {
  readonly actor: Actor;
  /** The workflow's key, or its id. */
  readonly key: string;
  readonly body: StagedRunBody;
  /** Of the request: the same seed is the same run. */
  readonly seed: string;
}

export interface StagedStartDeps {
  readonly db: Database;
  readonly runs: Pick<RunService, 'start'>;
  readonly starters: Pick<StarterService, 'ensure'>;
  readonly compileDraft: RunTargetDeps['compileDraft'];
}

/**
 * Accepts a run of the workflow as it stands, with its agents as they are now: it is bound to a version of exactly that.
 * 404 for an unknown key, 422 for a workflow that cannot run.
 */
export async function startStagedRun(
  { db, runs, compileDraft, starters }: StagedStartDeps,
  { actor, key, body, seed, answersEarly = false }: NewStagedRun & { readonly answersEarly?: boolean },
): Promise<RunRef> {
  const workspaceId = actingWorkspace(actor);
  await starters.ensure(workspaceId);
  const definition = await findStagedDefinition(db, workspaceId, key);
  if (definition === undefined) throw notFound('workflow', key);
  const { id: definitionId, document, kind } = definition;
  const plan = await compileDraft(workspaceId, definition);
  const conversationId = body.conversation_id ?? derivedId('conv', seed);
  const input = inputOf(body, conversationId);
  checkInput(plan, input, 'body');
  const versionId = await ensureVersion(db, { workspaceId, definitionId, document, plan });
  return runs.start({
    workspaceId,
    definition: { id: definitionId, versionId },
    ...{ kind, plan, input, conversationId, seed, answersEarly },
    trigger: 'api',
    actor: actor.id,
    tags: runTags(actor),
  });
}

/** Where the user is goes along only when they share it. */
function inputOf({ message, location, share_location: isShared }: StagedRunBody, conversationId: string): Json {
  const hints = isShared === true && location !== undefined && location !== null ? Object.entries(location) : [];
  const known = hints.filter(([, hint]) => hint !== null && hint !== undefined);
  return {
    message,
    conversation_id: conversationId,
    // -- reason: hints are texts
    ...(known.length === 0 ? {} : { location: Object.fromEntries(known) as Json }),
  };
}
