import type { Database } from '../../db/client.js';
import { lockDefinition, publishVersion, setLive, type DefinitionRef } from '../../db/definitions.js';
import type { Actor } from '../actor.js';
import { conflict, notFound } from '../http/errors.js';
import { afterLive, publishedStatus, type ChainSchedules } from './definition-kinds.js';
import { findDefinition, type DefinitionRow } from './definition-rows.js';
import { writeDraft, type DraftDeps } from './definitions-draft.js';
import {
  findVersion,
  pageOfVersions,
  presentWhole,
  type StoredVersion,
  type VersionView,
  type WholeVersion,
} from './definition-versions.js';
import { compileRow } from './definitions.js';
import { isBlocker, refusedBy, type GraphProblem } from './documents.js';
import { liveVersions, type LiveRuns } from './live-runs.js';
import { replayRuns, type Replay } from './replay-gate.js';
import type { MoveOutcome, MoveRuns } from './publish-move.js';
import type { UrlRulesOf } from './egress-lists.js';

export interface Validation {
  readonly ok: boolean;
  readonly blockers: readonly GraphProblem[];
  readonly warnings: readonly GraphProblem[];
  /** When it was asked for. */
  readonly replay?: Replay;
}

export interface Published {
  readonly version_id: string;
  readonly version: number;
  readonly published_at: Date;
  readonly warnings: readonly GraphProblem[];
  /** Open runs by version: they finish on theirs unless they are moved. */
  readonly live_runs: readonly LiveRuns[];
  readonly moves: readonly MoveOutcome[];
}

export interface PublishRequest {
  readonly note: string | null;
  readonly move: { readonly runIds: readonly string[] | 'all' } | null;
  readonly seed: string;
}

export interface PublishService {
  /** What a publish of the draft would say, and which of so many ended runs it would lead elsewhere. */
  readonly validate: (of: DefinitionRef, replay: number | null) => Promise<Validation>;
  /** Makes the draft the live version; content published before is the version it was. */
  readonly publish: (actor: Actor, definitionId: string, request: PublishRequest) => Promise<Published>;
  readonly versions: (
    of: DefinitionRef,
    page: { readonly limit: number; readonly offset: number },
  ) => Promise<{ readonly items: readonly VersionView[]; readonly total: number }>;
  /** By id or number. */
  readonly version: (of: DefinitionRef, key: string) => Promise<WholeVersion>;
  /** Copies a version into the draft; what is live stays so. */
  readonly restore: (actor: Actor, definitionId: string, key: string) => Promise<void>;
  /** Makes an older version live again; the draft stays as it is. */
  readonly rollback: (actor: Actor, definitionId: string, key: string) => Promise<RolledBack>;
  readonly move: (
    actor: Actor,
    definitionId: string,
    move: { readonly runIds: readonly string[] | 'all'; readonly version: string; readonly seed: string },
  ) => Promise<Moves>;
}

export type RolledBack = Omit<Published, 'warnings' | 'moves'>;

export interface Moves {
  readonly version_id: string;
  readonly version: number | null;
  readonly moves: readonly MoveOutcome[];
}

export interface PublishDeps extends DraftDeps {
  readonly urlRules: UrlRulesOf;
  readonly schedules: ChainSchedules;
  readonly moveRuns: MoveRuns;
}

export function createPublishService(deps: PublishDeps): PublishService {
  const { db } = deps;
  return {
    validate: (of, replay) => validate(deps, of, replay),
    publish: (actor, definitionId, request) => publish(deps, actor, { definitionId, ...request }),
    versions: async (of, page) =>
      pageOfVersions(db, { row: await findDefinition(db, of), workspaceId: of.workspaceId }, page),
    version: async (of, key) => {
      const row = await findDefinition(db, of);
      return presentWhole(await findVersion(db, of, key), row);
    },
    restore: async (actor, definitionId, key) => {
      const of = { workspaceId: actor.workspaceId, definitionId };
      const row = await findDefinition(db, of);
      const { document } = await findVersion(db, of, key);
      await writeDraft(deps, actor, { row, document, expected: null });
    },
    rollback: (actor, definitionId, key) => rollBack(deps, { workspaceId: actor.workspaceId, definitionId }, key),
    move: async (actor, definitionId, { runIds: runs, version: key, seed }) => {
      const of = { workspaceId: actor.workspaceId, definitionId };
      await findDefinition(db, of);
      const { id: versionId, number } = await findVersion(db, of, key);
      const moves = await deps.moveRuns(actor, { of, runs, target: { versionId }, seed });
      return { version_id: versionId, version: number, moves };
    },
  };
}

async function validate(deps: PublishDeps, of: DefinitionRef, replay: number | null): Promise<Validation> {
  const { plan, problems } = await compileRow(deps, of.workspaceId, await findDefinition(deps.db, of));
  const blockers = problems.filter(isBlocker);
  const said = { ok: blockers.length === 0, blockers, warnings: problems.filter((problem) => !isBlocker(problem)) };
  return replay === null ? said : { ...said, replay: await replayRuns(deps.db, of, { plan, limit: replay }) };
}

async function publish(
  deps: PublishDeps,
  actor: Actor,
  request: PublishRequest & { readonly definitionId: string },
): Promise<Published> {
  const { db } = deps;
  const of = { workspaceId: actor.workspaceId, definitionId: request.definitionId };
  const row = await findDefinition(db, of);
  const { plan, problems } = await compileRow(deps, of.workspaceId, row);
  if (plan === null || problems.some(isBlocker)) throw refusedBy(problems);
  const { version, isRescheduled } = await db.transaction().execute(async (trx) => {
    const locked = await lockDefinition(trx, of);
    if (locked === undefined) throw notFound('definition', of.definitionId);
    if (locked.revision !== row.draft_revision) throw changedMeanwhile(locked.revision);
    const content = { ...of, document: row.document, plan, by: actor.id, note: request.note };
    const made = await publishVersion(trx, content);
    const live = { ...locked, kind: row.kind, of, version: { ...made, ...content } };
    return { version: made, isRescheduled: await makeLive(deps, trx, live) };
  });
  if (isRescheduled) await deps.schedules.syncPending();
  const { move, seed } = request;
  const target = { versionId: version.id };
  const moves = move === null ? [] : await deps.moveRuns(actor, { of, runs: move.runIds, target, seed });
  return {
    version_id: version.id,
    version: version.number,
    published_at: version.published_at,
    warnings: problems.filter((problem) => !isBlocker(problem)),
    live_runs: await liveVersions(db, of),
    moves,
  };
}

const changedMeanwhile = (revision: number) =>
  conflict('The draft was changed while it was being published; look at it and publish again.', {
    current_revision: revision,
  });

interface Live {
  readonly kind: DefinitionRow['kind'];
  /** As they are while the definition is locked. */
  readonly status: string;
  readonly version_id: string | null;
  readonly of: DefinitionRef;
  readonly version: Pick<StoredVersion, 'id' | 'document'> & { readonly published_at: Date };
}

/** Turns the live pointer, with what follows from that; true when a schedule has changed. */
async function makeLive(deps: PublishDeps, trx: Database, live: Live): Promise<boolean> {
  const { kind, of, version } = live;
  const status = publishedStatus(kind, live.status);
  if (live.version_id === version.id && live.status === status) return false;
  await setLive(trx, of, { versionId: version.id, status, publishedAt: version.published_at });
  return afterLive(trx, { ...of, kind, status, document: version.document, schedules: deps.schedules });
}

async function rollBack(deps: PublishDeps, of: DefinitionRef, key: string): Promise<RolledBack> {
  const { db } = deps;
  const row = await findDefinition(db, of);
  const version = await findVersion(db, of, key);
  const { number, published_at } = version;
  if (number === null || published_at === null)
    throw conflict(`The version ${key} was never published; restore it into the draft and publish that.`);
  const isRescheduled = await db.transaction().execute(async (trx) => {
    const locked = await lockDefinition(trx, of);
    if (locked === undefined) throw notFound('definition', of.definitionId);
    return makeLive(deps, trx, { ...locked, kind: row.kind, of, version: { ...version, published_at } });
  });
  if (isRescheduled) await deps.schedules.syncPending();
  return { version_id: version.id, version: number, published_at, live_runs: await liveVersions(db, of) };
}
