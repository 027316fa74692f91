import { sql } from 'kysely';
import type { Database } from '../../db/client.js';
import type { DefinitionRef } from '../../db/definitions.js';
import { scoped } from '../../db/scoped.js';
import type { RunStatus } from '../../workflows/contract/run.js';
import { incompatibilities, type Position, type Standing } from '../../workflows/definition/compatibility.js';
import type { Plan } from '../../workflows/definition/plan.js';

/** Open runs of one version. */
export interface LiveRuns {
  readonly version_id: string;
  /** Null for a version that only ran as a draft. */
  readonly number: number | null;
  readonly runs: number;
  /** Ids of a few, the newest first. */
  readonly sample: readonly string[];
}

const OPEN = ['queued', 'running', 'waiting', 'paused'] as const satisfies readonly RunStatus[];
const SAMPLE = 5;

const openRuns = (db: Database, { workspaceId, definitionId }: DefinitionRef) =>
  scoped(db, workspaceId)
    .select('runs')
    .where('runs.definition_id', '=', definitionId)
    .where('runs.status', 'in', OPEN)
    .where('runs.version_id', 'is not', null);

/** Open runs by version, the newest version first. */
export async function liveVersions(db: Database, of: DefinitionRef): Promise<readonly LiveRuns[]> {
  const rows = await openRuns(db, of)
    .innerJoin('versions', 'versions.id', 'runs.version_id')
    .select((eb) => [
      'versions.id as version_id',
      'versions.number',
      eb.fn.countAll<string>().as('runs'),
      sql<string[]>`(array_agg(runs.id order by runs.id desc))[1:${sql.lit(SAMPLE)}]`.as('sample'),
    ])
    .groupBy(['versions.id', 'versions.number'])
    .orderBy('versions.id', 'desc')
    .execute();
  return rows.map((row) => ({ ...row, runs: Number(row.runs) }));
}

export interface OpenRun {
  readonly id: string;
  readonly status: RunStatus;
  readonly version_id: string | null;
}

/** The newest first; all of them, or those named. */
export const findOpenRuns = (
  db: Database,
  of: DefinitionRef,
  { ids, limit }: { readonly ids?: readonly string[]; readonly limit: number },
): Promise<readonly OpenRun[]> => {
  const runs = openRuns(db, of).select(['runs.id', 'runs.status', 'runs.version_id']).orderBy('runs.id', 'desc');
  return (ids === undefined ? runs : runs.where('runs.id', 'in', ids)).limit(limit).execute();
};

export interface StandingRun extends OpenRun {
  readonly number: number | null;
  readonly plan: Plan;
  /** Nodes that are under way. */
  readonly at: readonly string[];
  readonly standing: Standing;
}

/** Open runs with where each stands, as far as its steps tell: what has arrived at a join that waits does not show. */
export async function standingRuns(db: Database, of: DefinitionRef, limit: number): Promise<readonly StandingRun[]> {
  const runs = await findOpenRuns(db, of, { limit });
  const versionIds = [...new Set(runs.flatMap(({ version_id: id }) => id ?? []))];
  if (runs.length === 0) return [];
  const [versions, steps] = await Promise.all([
    scoped(db, of.workspaceId)
      .select('versions')
      .select(['id', 'number', 'plan'])
      .where('id', 'in', versionIds)
      .execute(),
    stepsOf(
      db,
      runs.map(({ id }) => id),
    ),
  ]);
  const byId = new Map(versions.map((version) => [version.id, version]));
  return runs.flatMap((run) => {
    const version = byId.get(run.version_id ?? '');
    if (version === undefined) return [];
    const own = steps.filter(({ run_id: id }) => id === run.id);
    const at = own.filter((step) => step.is_open).map(({ node_id: id }) => id);
    const { number, plan } = version;
    return [{ ...run, number, plan, at, standing: standingOfSteps(plan, own) }];
  });
}

interface StepPlace {
  readonly run_id: string;
  readonly node_id: string;
  readonly is_open: boolean;
}

/** Each node a run has been at, and whether it is there still. */
const stepsOf = (db: Database, runIds: readonly string[]): Promise<readonly StepPlace[]> =>
  db
    .selectFrom('run_steps')
    .select(['run_id', 'node_id', sql<boolean>`bool_or(ended_at is null)`.as('is_open')])
    .where('run_id', 'in', runIds)
    .groupBy(['run_id', 'node_id'])
    .execute();

function standingOfSteps(plan: Plan, steps: readonly StepPlace[]): Standing {
  const open = steps.filter((step) => step.is_open).map(({ node_id: id }) => id);
  const finished = steps.filter((step) => !step.is_open).map(({ node_id: id }) => id);
  const undoing = finished.flatMap((id) => plan.nodes[id]?.undo ?? []);
  const positions: readonly Position[] = [...withFrames(plan, open), ...undoing].flatMap((id) => positionOf(plan, id));
  const kept = readNodes(plan);
  return { positions, forgotten: kept.has('*') ? [] : finished.filter((id) => !kept.has(id)) };
}

function positionOf(plan: Plan, nodeId: string): readonly Position[] {
  const node = plan.nodes[nodeId];
  return node === undefined ? [] : [{ nodeId, kind: node.kind, within: node.within }];
}

/** Nodes with the maps and loops around them. */
function withFrames(plan: Plan, ids: readonly string[]): ReadonlySet<string> {
  const all = new Set(ids);
  for (const id of all) {
    const within = plan.nodes[id]?.within;
    if (within !== undefined) all.add(within);
  }
  return all;
}

/** The nodes whose results a run of this plan keeps. */
function readNodes(plan: Plan): ReadonlySet<string> {
  const ofEdges = plan.edges.flatMap(({ condition }) =>
    condition.type === 'cel' ? (condition.reads?.steps ?? []) : [],
  );
  return new Set([...Object.values(plan.nodes).flatMap(({ reads }) => reads?.steps ?? []), ...ofEdges]);
}

/** Why the run cannot go on with this plan. */
export const reasonsAgainst = ({ standing }: StandingRun, plan: Plan): readonly string[] =>
  incompatibilities(standing, plan);
