import { sql } from 'kysely';
import { insertDefinition, saveDraft } from '../../db/definitions.js';
import { derivedId } from '../../db/ids.js';
import { scoped } from '../../db/scoped.js';
import type { Database } from '../../db/client.js';
import type { SecretStore } from '../../db/secrets.js';
import type { ChainDocument } from '../../workflows/definition/chain.js';
import { compileChain } from '../../workflows/definition/chain-plan.js';
import { chainProblems, type ChainRules, type Problem } from '../../workflows/definition/chain-problems.js';
import type { Json } from '../../workflows/definition/values.js';
import { conflict, invalid, notFound } from '../http/errors.js';
import type { Actor } from '../actor.js';
import { bindChain, scheduleChain, type ChainSchedules } from './definition-kinds.js';
import { planProblem } from './documents.js';
import { slugFrom } from './slugs.js';
import { vaultSecrets } from './chain-secrets.js';
import type { UrlRulesOf } from './egress-lists.js';

export type ChainStatus = 'draft' | 'live' | 'paused';

export interface ChainInput {
  readonly slug?: string | undefined;
  readonly status?: ChainStatus | undefined;
  readonly document: ChainDocument;
}

export interface NewChain extends ChainInput {
  /** Of the request: the same seed is the same chain. */
  readonly seed: string;
}

export interface ChainView extends ChainDocument {
  readonly id: string;
  readonly slug: string;
  readonly status: ChainStatus;
  readonly revision: number;
  /** What keeps the chain from going live. */
  readonly problems: readonly Problem[];
  readonly stats: ChainStats;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface ChainStats {
  readonly runs_total: number;
  readonly last_run_at: Date | null;
  readonly last_status: string | null;
}

export interface ChainService {
  readonly list: (
    workspaceId: string,
    page: { readonly limit: number; readonly offset: number },
  ) => Promise<{ readonly items: readonly ChainView[]; readonly total: number }>;
  readonly get: (workspaceId: string, slug: string) => Promise<ChainView>;
  readonly create: (actor: Actor, input: NewChain) => Promise<ChainView>;
  /** Replaces the whole document. */
  readonly replace: (actor: Actor, slug: string, input: ChainInput) => Promise<ChainView>;
  readonly remove: (workspaceId: string, slug: string) => Promise<void>;
}

export interface ChainDeps {
  readonly db: Database;
  readonly urlRules: UrlRulesOf;
  readonly secrets: SecretStore;
  readonly schedules: ChainSchedules;
}

export function createChainService(deps: ChainDeps): ChainService {
  return {
    list: (workspaceId, page) => listChains(deps, workspaceId, page),
    get: (workspaceId, slug) => getChain(deps, workspaceId, slug),
    create: (actor, input) => createChain(deps, actor, input),
    replace: (actor, slug, input) => replaceChain(deps, actor, { slug, input }),
    remove: (workspaceId, slug) => removeChain(deps, workspaceId, slug),
  };
}

interface ChainRow {
  readonly id: string;
  readonly slug: string;
  readonly status: string;
  readonly revision: number;
  readonly document: Json;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly runs_total: string | number | bigint | null;
  readonly last_run_at: Date | null;
  readonly last_status: string | null;
}

const selectChains = (db: Database, workspaceId: string) =>
  scoped(db, workspaceId)
    .select('definitions')
    .where('definitions.kind', '=', 'chain')
    .where('definitions.deleted_at', 'is', null);

const withStats = (db: Database, workspaceId: string) =>
  selectChains(db, workspaceId)
    .leftJoinLateral(
      (eb) =>
        eb
          .selectFrom('runs')
          .select((run) => [
            run.fn.countAll().as('runs_total'),
            run.fn.max('runs.created_at').as('last_run_at'),
            sql<string | null>`(array_agg(runs.status order by runs.id desc))[1]`.as('last_status'),
          ])
          .whereRef('runs.definition_id', '=', 'definitions.id')
          .as('stats'),
      (join) => join.onTrue(),
    )
    .select([
      'definitions.id',
      'definitions.slug',
      'definitions.status',
      'definitions.revision',
      'definitions.document',
      'definitions.created_at',
      'definitions.updated_at',
      'stats.runs_total',
      'stats.last_run_at',
      'stats.last_status',
    ]);

async function listChains(
  { db, urlRules }: ChainDeps,
  workspaceId: string,
  page: { readonly limit: number; readonly offset: number },
): Promise<{ readonly items: readonly ChainView[]; readonly total: number }> {
  const rows = await withStats(db, workspaceId)
    .orderBy('definitions.id', 'desc')
    .limit(page.limit)
    .offset(page.offset)
    .execute();
  const count = await selectChains(db, workspaceId)
    .select((eb) => eb.fn.countAll<string>().as('total'))
    .executeTakeFirstOrThrow();
  const rules = await urlRules(workspaceId);
  return { items: rows.map((row) => present(row, rules)), total: Number(count.total) };
}

async function getChain({ db, urlRules }: ChainDeps, workspaceId: string, slug: string): Promise<ChainView> {
  const row = await withStats(db, workspaceId).where('definitions.slug', '=', slug).executeTakeFirst();
  if (row === undefined) throw notFound('chain', slug);
  return present(row, await urlRules(workspaceId));
}

function present(row: ChainRow, rules: ChainRules): ChainView {
  // -- reason: `ChainDocument` was checked when the row was written
  const document = row.document as unknown as ChainDocument;
  return {
    ...document,
    id: row.id,
    slug: row.slug,
    status: row.status as ChainStatus, // -- reason: only the three are ever written
    revision: row.revision,
    problems: chainProblems(document, rules),
    stats: {
      runs_total: Number(row.runs_total ?? 0),
      last_run_at: row.last_run_at,
      last_status: row.last_status === 'waiting' ? 'awaiting_human' : row.last_status,
    },
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
}

async function createChain(deps: ChainDeps, actor: Actor, input: NewChain): Promise<ChainView> {
  const { db, schedules } = deps;
  const id = derivedId('def', input.seed);
  const slug = input.slug ?? slugFrom(input.document.name);
  const status = input.status ?? 'draft';
  gate(await deps.urlRules(actor.workspaceId), input.document, status);
  const taken = await selectChains(db, actor.workspaceId)
    .select('definitions.id')
    .where('slug', '=', slug)
    .executeTakeFirst();
  if (taken?.id === id) return getChain(deps, actor.workspaceId, slug);
  if (taken !== undefined) throw conflict(`A chain with the slug "${slug}" exists; choose another slug.`);
  const document = await vaultSecrets(deps.secrets, actor.workspaceId, { slug, document: input.document });
  const isRescheduled = await db.transaction().execute(async (trx) => {
    const of = { workspaceId: actor.workspaceId, definitionId: id };
    const json = document as unknown as Json; // -- reason: a parsed document is plain JSON
    const made = { ...of, kind: 'chain', slug, name: document.name, status, document: json, createdBy: actor.id };
    await insertDefinition(trx, made);
    await bindChain(trx, of, { document, status, by: actor.id });
    return scheduleChain({ db: trx, schedules }, { workspaceId: actor.workspaceId, chainId: id }, { status, document });
  });
  if (isRescheduled) await schedules.syncPending();
  return getChain(deps, actor.workspaceId, slug);
}

async function replaceChain(
  deps: ChainDeps,
  actor: Actor,
  { slug, input }: { readonly slug: string; readonly input: ChainInput },
): Promise<ChainView> {
  const { workspaceId } = actor;
  const { schedules } = deps;
  const before = await getChain(deps, workspaceId, slug);
  const status = input.status ?? before.status;
  gate(await deps.urlRules(workspaceId), input.document, status);
  const change = { slug, document: input.document, previous: before };
  const document = await vaultSecrets(deps.secrets, workspaceId, change);
  const to = input.slug ?? slug;
  const isRescheduled = await deps.db.transaction().execute(async (trx) => {
    const of = { workspaceId, definitionId: before.id };
    const json = document as unknown as Json; // -- reason: a parsed document is plain JSON
    await saveDraft(trx, { ...of, document: json, by: actor.id, expected: null });
    const columns = { slug: to, name: document.name, status };
    await scoped(trx, workspaceId).update('definitions', before.id).set(columns).execute();
    await bindChain(trx, of, { document, status, by: actor.id });
    return scheduleChain({ db: trx, schedules }, { workspaceId, chainId: before.id }, { status, document });
  });
  if (isRescheduled) await schedules.syncPending();
  return getChain(deps, workspaceId, to);
}

/** Every decide step has its own copy of the branches it may take. */
function limit(document: ChainDocument): void {
  const plan = compileChain(document);
  const message = plan === null ? null : planProblem(plan);
  if (message !== null) throw invalid([{ field: 'primary_steps', message }]);
}

/** A live chain starts by itself and from outside: nothing unsafe or half-written may. */
function gate(rules: ChainRules, document: ChainDocument, status: ChainStatus): void {
  limit(document);
  if (status !== 'live') return;
  const blockers = chainProblems(document, rules);
  if (blockers.length > 0) throw invalid(blockers, { blockers });
}

/** Runs under way finish on their version. */
async function removeChain(deps: ChainDeps, workspaceId: string, slug: string): Promise<void> {
  const { id } = await getChain(deps, workspaceId, slug);
  const isRescheduled = await deps.db.transaction().execute(async (trx) => {
    const changed = await deps.schedules.setChainSchedule({ workspaceId, chainId: id, cron: null }, trx);
    await scoped(trx, workspaceId).update('definitions', id).set({ deleted_at: new Date() }).execute();
    return changed;
  });
  if (isRescheduled) await deps.schedules.syncPending();
}
