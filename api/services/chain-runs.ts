import { createHmac, timingSafeEqual } from 'node:crypto';
import { sql } from 'kysely';
import { scoped } from '../../db/scoped.js';
import { presentValue } from '../../db/values.js';
import type { Database } from '../../db/client.js';
import type { SecretStore } from '../../db/secrets.js';
import type { ChainDocument } from '../../workflows/definition/chain.js';
import { chainProblems } from '../../workflows/definition/chain-problems.js';
import type { Plan } from '../../workflows/definition/plan.js';
import type { Json, Value } from '../../workflows/definition/values.js';
import { checkInput } from './json-check.js';
import { conflict, notFound, unauthenticated } from '../http/errors.js';
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
import { openSecret } from './chain-secrets.js';
import type { RunService } from './runs.js';
import type { UrlRulesOf } from './egress-lists.js';

export interface Ingress {
  readonly workspaceId: string;
  readonly slug: string;
  readonly signature: string | undefined;
  readonly rawBody: Buffer;
  readonly input: Json;
  readonly actor: string;
  readonly seed: string;
}

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
  /** From a signed-in caller with a signature. */
  readonly ingress: (ingress: Ingress) => Promise<Accepted>;
  /** From anybody with a signature; live chains only. */
  readonly publicIngress: (
    ingress: Omit<Ingress, 'workspaceId'> & { readonly workspaceSlug: string },
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
  readonly urlRules: UrlRulesOf;
  readonly secrets: SecretStore;
}

export function createChainRunService(deps: ChainRunDeps): ChainRunService {
  return {
    run: async (actor, slug, { input, seed }) => {
      const chain = await findChain(deps.db, { workspaceId: actor.workspaceId }, slug);
      return startChain(deps, chain, { input, seed, trigger: 'api', actor: actor.id, tags: runTags(actor) });
    },
    ingress: async (ingress) => {
      const chain = await findChain(deps.db, { workspaceId: ingress.workspaceId }, ingress.slug);
      await verify(deps, chain, ingress);
      await refuseUnready(deps, chain);
      return startChain(deps, chain, { ...ingress, trigger: 'ingress' });
    },
    publicIngress: async (ingress) => {
      const chain = await findChain(deps.db, { workspaceSlug: ingress.workspaceSlug }, ingress.slug);
      if (chain.status === 'draft') throw notFound('live chain', ingress.slug);
      await verify(deps, chain, ingress);
      if (chain.status === 'paused') throw conflict(`The chain "${ingress.slug}" is paused; try again later.`);
      await refuseUnready(deps, chain);
      return startChain(deps, chain, { ...ingress, trigger: 'public_ingress' });
    },
    list: (workspaceId, slug, page) => listRuns(deps.db, { workspaceId, slug }, page),
    get: (workspaceId, slug, runId) => getRun(deps.db, { workspaceId, slug, runId }),
    resume: (actor, at, resume) => resumeRun(deps, actor, { ...at, ...resume }),
  };
}

interface Chain {
  readonly id: string;
  readonly workspace_id: string;
  readonly slug: string;
  readonly status: string;
  readonly document: Json;
  readonly version_id: string | null;
  readonly plan: Plan | null;
}

async function findChain(
  db: Database,
  of: { readonly workspaceId: string } | { readonly workspaceSlug: string },
  slug: string,
): Promise<Chain> {
  const query = db
    .selectFrom('definitions')
    .innerJoin('workspaces', 'workspaces.id', 'definitions.workspace_id')
    .leftJoin('versions', 'versions.id', 'definitions.version_id')
    .select([
      'definitions.id',
      'definitions.workspace_id',
      'definitions.slug',
      'definitions.status',
      'definitions.version_id',
      'versions.plan',
    ])
    // what runs is what was published last, not what is being written
    .select((eb) => eb.fn.coalesce('versions.document', 'definitions.document').as('document'))
    .where('definitions.kind', '=', 'chain')
    .where('definitions.slug', '=', slug)
    .where('definitions.deleted_at', 'is', null)
    .where('workspaces.deleted_at', 'is', null);
  const chain = await (
    'workspaceId' in of
      ? query.where('definitions.workspace_id', '=', of.workspaceId)
      : query.where('workspaces.slug', '=', of.workspaceSlug)
  ).executeTakeFirst();
  if (chain === undefined) throw notFound('chain', slug);
  return chain;
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
  if (plan === null || versionId === null) throw conflict(`The chain "${chain.slug}" has no steps; add one to run it.`);
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

/** The chain's inbound webhook step holds the key; the signature is made over the body's bytes. */
async function verify(
  { secrets }: ChainRunDeps,
  chain: Chain,
  { signature, rawBody }: { readonly signature: string | undefined; readonly rawBody: Buffer },
): Promise<void> {
  const bad = unauthenticated('X-Chain-Signature is missing or does not match the body.');
  const inbound = documentOf(chain).primary_steps.find(
    (step) => step.kind === 'webhook' && step.config.url === undefined,
  );
  const text = inbound?.kind === 'webhook' ? inbound.config.secret : undefined;
  const key = text === undefined ? null : await openSecret(secrets, chain.workspace_id, text);
  const given = /^(?:sha256=)?([0-9a-f]{64})$/i.exec(signature ?? '')?.[1];
  if (key === null || key === '' || given === undefined) throw bad;
  const expected = createHmac('sha256', key).update(rawBody).digest();
  if (!timingSafeEqual(expected, Buffer.from(given, 'hex'))) throw bad;
}

async function refuseUnready({ urlRules }: ChainRunDeps, chain: Chain): Promise<void> {
  const blockers = chainProblems(documentOf(chain), await urlRules(chain.workspace_id));
  if (blockers.length > 0) throw conflict(`The chain "${chain.slug}" is not ready for outside callers.`, { blockers });
}

// -- reason: `ChainDocument` was checked when the row was written
const documentOf = (chain: Chain): ChainDocument => chain.document as unknown as ChainDocument;

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
