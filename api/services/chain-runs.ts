import { sql } from 'kysely';
import { scoped } from '../../db/scoped.js';
import { presentValue } from '../../db/values.js';
import type { Database } from '../../db/client.js';
import type { Json, Value } from '../../workflows/definition/values.js';
import { checkInput } from './json-check.js';
import { conflict, notFound } from '../http/errors.js';
import type { Actor } from '../actor.js';
import { identitiesOf, runTags } from './caller.js';
import {
  presentRun,
  presentTraces,
  statusOf,
  type ChainRunDetail,
  type ChainRunStatus,
  type ChainRunView,
} from './chain-run-view.js';
import { findChain, noSteps, type Chain } from './chain-target.js';
import type { RunService } from './runs.js';

export interface Resume {
  readonly decision: 'approve' | 'reject';
  readonly input: Json | undefined;
  readonly note: string | null;
  readonly seed: string;
}

export interface ChainRunService {
  readonly run: (
    actor: Actor,
    slug: string,
    start: { readonly input: Json; readonly seed: string },
  ) => Promise<Accepted>;
  readonly list: (
    workspaceId: string,
    slug: string,
    page: { readonly limit: number; readonly offset: number },
  ) => Promise<{ readonly items: readonly ChainRunView[]; readonly total: number }>;
  readonly get: (workspaceId: string, slug: string, runId: string) => Promise<ChainRunDetail>;
  readonly resume: (
    actor: Actor,
    at: { readonly slug: string; readonly runId: string },
    resume: Resume,
  ) => Promise<Accepted>;
}

export interface Accepted {
  readonly run_id: string;
  readonly status: ChainRunStatus;
}

export interface ChainRunDeps {
  readonly db: Database;
  readonly runs: RunService;
}

export function createChainRunService(deps: ChainRunDeps): ChainRunService {
  return {
    run: async (actor, slug, { input, seed }) => {
      const chain = await findChain(deps.db, { workspaceId: actor.workspaceId }, slug);
      return startChain(deps, chain, { input, seed, trigger: 'api', actor: actor.id, tags: runTags(actor) });
    },
    list: (workspaceId, slug, page) => listRuns(deps.db, { workspaceId, slug }, page),
    get: (workspaceId, slug, runId) => getRun(deps.db, { workspaceId, slug, runId }),
    resume: (actor, at, resume) => resumeRun(deps, actor, { ...at, ...resume }),
  };
}

interface ChainStart {
  readonly input: Json;
  readonly seed: string;
  readonly trigger: string;
  readonly actor: string;
  readonly tags?: readonly string[];
}

async function startChain({ runs }: ChainRunDeps, chain: Chain, start: ChainStart): Promise<Accepted> {
  const { plan, version_id: versionId } = chain;
  if (plan === null || versionId === null) throw noSteps(chain.slug);
  const { input, seed, trigger, actor, tags = [] } = start;
  checkInput(plan, input, 'input');
  const definition = { id: chain.id, versionId };
  const { runId } = await runs.start({
    workspaceId: chain.workspace_id,
    definition,
    kind: 'chain',
    plan,
    input,
    trigger,
    actor,
    tags,
    seed,
  });
  return { run_id: runId, status: 'queued' };
}

async function listRuns(
  db: Database,
  { workspaceId, slug }: { readonly workspaceId: string; readonly slug: string },
  page: { readonly limit: number; readonly offset: number },
): Promise<{ readonly items: readonly ChainRunView[]; readonly total: number }> {
  const chain = await findChain(db, { workspaceId }, slug);
  const runs = scoped(db, workspaceId).select('runs').where('definition_id', '=', chain.id);
  const rows = await runs
    .select(['id', 'status', 'trigger', 'branch_taken', 'created_at', 'started_at', 'ended_at'])
    .orderBy('id', 'desc')
    .limit(page.limit)
    .offset(page.offset)
    .execute();
  const { total } = await runs.select(sql<string>`count(*)`.as('total')).executeTakeFirstOrThrow();
  return { items: rows.map(presentRun), total: Number(total) };
}

async function findRun(db: Database, { workspaceId, slug, runId }: RunPlace) {
  const chain = await findChain(db, { workspaceId }, slug);
  const run = await scoped(db, workspaceId).get('runs', runId);
  if (run === undefined || run.definition_id !== chain.id) throw notFound('run', runId);
  return run;
}

interface RunPlace {
  readonly workspaceId: string;
  readonly slug: string;
  readonly runId: string;
}

const lastWait = (db: Database, workspaceId: string, runId: string) =>
  scoped(db, workspaceId)
    .select('waits')
    .select('id as approval_id')
    .where('run_id', '=', runId)
    .where('kind', '=', 'decision')
    .orderBy('created_at', 'desc')
    .executeTakeFirst();

const pendingWait = (db: Database, workspaceId: string, runId: string) =>
  scoped(db, workspaceId)
    .select('waits')
    .select(['id as approval_id', 'action as prompt', 'assignee', 'expires_at'])
    .where('run_id', '=', runId)
    .where('kind', '=', 'decision')
    .where('status', '=', 'pending')
    .orderBy('created_at')
    .executeTakeFirst();

async function getRun(db: Database, place: RunPlace): Promise<ChainRunDetail> {
  const run = await findRun(db, place);
  const { workspaceId, runId } = place;
  const steps = await db.selectFrom('run_steps').selectAll().where('run_id', '=', runId).orderBy('seq').execute();
  const value = async (stored: Value | null): Promise<Json> =>
    stored === null ? null : presentValue(db, workspaceId, stored);
  return {
    ...presentRun(run),
    input: await value(run.input),
    output: await value(run.output),
    error: run.error,
    ...(await presentTraces(steps, value)),
    waiting_for: (await pendingWait(db, workspaceId, runId)) ?? null,
  };
}

async function resumeRun(
  { db, runs }: ChainRunDeps,
  actor: Actor,
  resume: Resume & { readonly slug: string; readonly runId: string },
): Promise<Accepted> {
  const { workspaceId } = actor;
  const run = await findRun(db, { workspaceId, slug: resume.slug, runId: resume.runId });
  const idle = conflict(`The run is ${statusOf(run.status)}, not awaiting_human: there is nothing to resume.`);
  const pending = await pendingWait(db, workspaceId, run.id);
  // A repeated request finds its own decision under its own id; anybody else's is refused by the workflow.
  const wait = pending ?? (await lastWait(db, workspaceId, run.id));
  if (wait === undefined) throw idle;
  const { decision, input, note, seed } = resume;
  const of = { workspaceId, runId: run.id };
  const as = await identitiesOf(db, actor);
  const result = await runs.decide({ run: of, token: wait.approval_id, decision, input, note, by: actor.id, as, seed });
  if (result !== 'settled') return { run_id: run.id, status: statusOf(result.status) };
  throw pending === undefined ? idle : conflict('Somebody else was first: this wait has been decided or has expired.');
}
