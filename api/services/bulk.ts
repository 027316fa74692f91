import { OPEN_STATUSES } from '../../db/run-commands.js';
import { failureGroups, selectRunIds, type FailureGroup, type RunSelection } from '../../db/run-selection.js';
import type { Database } from '../../db/client.js';
import { ApiError, invalid } from '../http/errors.js';
import type { Actor } from '../actor.js';
import type { ContinueService } from './continue-run.js';
import { idInCursor, writeIdCursor } from './id-cursor.js';
import { parkedNodes, type Command, type RunCommandService } from './run-commands.js';
import type { RunStopService } from './run-stops.js';

export const bulkActions = ['cancel', 'terminate', 'pause', 'unpause', 'retry', 'continue', 'replay'] as const;
export type BulkAction = (typeof bulkActions)[number];

export interface BulkRequest {
  readonly actor: Actor;
  readonly filter: RunSelection;
  readonly action: BulkAction;
  /** Of `continue`. */
  readonly version: string | number | undefined;
  readonly limit: number;
  readonly cursor: string | undefined;
  readonly seed: string;
}

export interface BulkResult {
  /** Runs this call took up. */
  readonly matched: number;
  readonly done: number;
  readonly failed: readonly { readonly id: string; readonly error: string }[];
  /** There are more: the same call with this cursor takes them up. */
  readonly next_cursor?: string;
}

export interface BulkService {
  readonly apply: (request: BulkRequest) => Promise<BulkResult>;
  readonly failures: (
    workspaceId: string,
    page: { readonly selection: RunSelection; readonly limit: number },
  ) => Promise<readonly FailureGroup[]>;
}

export interface BulkDeps {
  readonly db: Database;
  readonly commands: RunCommandService;
  readonly stops: RunStopService;
  readonly continuing: ContinueService;
  /** After so long the rest is left to the next call; default 20 seconds. */
  readonly budgetMs?: number;
}

export const createBulkService = (deps: BulkDeps): BulkService => ({
  apply: (request) => applyToMany(deps, request),
  failures: (workspaceId, page) => failureGroups(deps.db, workspaceId, page),
});

/** An action leaves out the runs it cannot be for, unless they are named or their status is. */
const meant: Readonly<Record<BulkAction, RunSelection>> = {
  cancel: { status: OPEN_STATUSES },
  terminate: { status: OPEN_STATUSES },
  pause: { status: ['queued', 'running', 'waiting'] },
  unpause: { status: ['paused'] },
  retry: { status: OPEN_STATUSES, parked: true },
  continue: { status: ['failed', 'cancelled'] },
  replay: { status: ['completed', 'failed', 'cancelled'] },
};

const BUDGET_MS = 20_000;
/** Commands under way at a time. */
const ABREAST = 8;

async function applyToMany(deps: BulkDeps, request: BulkRequest): Promise<BulkResult> {
  const { actor, filter, action, limit, cursor } = request;
  if (Object.values(filter).every((value) => value === undefined)) {
    const message = 'must name something, such as {"status": ["failed"]}; an empty filter would mean every run';
    throw invalid([{ field: 'filter', message }]);
  }
  const selection = filter.ids === undefined ? { ...meant[action], ...filter } : filter;
  const before = cursor === undefined ? null : readCursor(cursor);
  const ids = await selectRunIds(deps.db, actor.workspaceId, { selection, before, limit: limit + 1 });
  const { results, isLate } = await inTurns(deps, request, ids.slice(0, limit));
  const last = results.at(-1)?.id;
  const strangers = before === null ? unknownIds(filter.ids, ids) : [];
  return {
    matched: results.length,
    done: results.filter(({ error }) => error === null).length,
    failed: [...results.flatMap(({ id, error }) => (error === null ? [] : [{ id, error }])), ...strangers],
    ...((isLate || ids.length > limit) && last !== undefined ? { next_cursor: writeIdCursor(last) } : {}),
  };
}

const unknownIds = (asked: readonly string[] | undefined, found: readonly string[]): BulkResult['failed'] =>
  (asked ?? []).filter((id) => !found.includes(id)).map((id) => ({ id, error: `No run "${id}" fits the filter.` }));

interface Outcome {
  readonly id: string;
  readonly error: string | null;
}

async function inTurns(
  deps: BulkDeps,
  request: BulkRequest,
  ids: readonly string[],
): Promise<{ readonly results: readonly Outcome[]; readonly isLate: boolean }> {
  const end = performance.now() + (deps.budgetMs ?? BUDGET_MS);
  const results: Outcome[] = [];
  for (let at = 0; at < ids.length; at += ABREAST) {
    if (at > 0 && performance.now() > end) return { results, isLate: true };
    const turn = ids.slice(at, at + ABREAST).map((id) => outcomeOf(deps, request, id));
    results.push(...(await Promise.all(turn)));
  }
  return { results, isLate: false };
}

async function outcomeOf(deps: BulkDeps, request: BulkRequest, id: string): Promise<Outcome> {
  const { actor, seed, action } = request;
  try {
    // a seed of its own for each run: its first characters are the time, as in every seed
    await perform[action](deps, { actor, runId: id, seed: `${seed}-${id}` }, request);
    return { id, error: null };
  } catch (error) {
    const known = error instanceof ApiError ? error.message : 'Temporal or the database does not answer; try again.';
    return { id, error: known };
  }
}

type Perform = (deps: BulkDeps, command: Command, request: BulkRequest) => Promise<unknown>;

const perform: Readonly<Record<BulkAction, Perform>> = {
  cancel: ({ stops }, command) => stops.cancel({ ...command, reason: null }),
  terminate: ({ stops }, command) => stops.terminate({ ...command, reason: null }),
  pause: ({ commands }, command) => commands.pause({ ...command, paused: true }),
  unpause: ({ commands }, command) => commands.pause({ ...command, paused: false }),
  retry: retryParked,
  continue: ({ continuing }, command, { version }) =>
    continuing.continue({ ...command, from: undefined, version, patch: {} }),
  replay: ({ commands }, command) => commands.replay({ ...command, input: undefined }),
};

async function retryParked({ db, commands }: BulkDeps, command: Command): Promise<void> {
  const nodes = await parkedNodes(db, command.runId);
  if (nodes.length === 0) throw new ApiError(409, 'No node of the run is parked.');
  for (const nodeId of nodes) {
    await commands.retry({ ...command, nodeId, patch: null, seed: `${command.seed}-${nodeId}` });
  }
}

function readCursor(cursor: string): string {
  const id = idInCursor('run', cursor);
  if (id !== null) return id;
  throw invalid([{ field: 'cursor', message: 'is not a cursor of this call; take next_cursor of the answer before' }]);
}
