import { sql } from 'kysely';
import type { RunRef, RunStatus, StepStatus } from '../workflows/contract/run.js';
import type { Port } from '../workflows/definition/plan.js';
import type { Value } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';

/** A step as the story of a conversation needs it. */
export interface SpokenStep {
  readonly key: string;
  readonly node_id: string;
  readonly scope: string;
  readonly status: StepStatus;
  readonly output: Value | null;
  readonly said: string | null;
  readonly port: Port | null;
  readonly vars: Readonly<Record<string, Value>> | null;
  readonly started_at: Date;
  readonly ended_at: Date | null;
}

/** Every step of a run, in order. */
export const spokenSteps = (db: Database, { workspaceId, runId }: RunRef): Promise<readonly SpokenStep[]> =>
  db
    .selectFrom('run_steps')
    .innerJoin('runs', 'runs.id', 'run_steps.run_id')
    .select([
      'run_steps.key',
      'run_steps.node_id',
      'run_steps.scope',
      'run_steps.status',
      'run_steps.output',
      'run_steps.said',
      'run_steps.port',
      'run_steps.vars',
      'run_steps.started_at',
      'run_steps.ended_at',
    ])
    .where('runs.workspace_id', '=', workspaceId)
    .where('run_steps.run_id', '=', runId)
    .orderBy('run_steps.seq')
    .orderBy('run_steps.key')
    .execute();

/** Who is waited for: the user, if anybody listens to them; an event only where there is nobody else. */
export async function waitingNode(
  db: Database,
  { workspaceId, runId }: RunRef,
): Promise<{ readonly node_id: string; readonly kind: string } | null> {
  const row = await scoped(db, workspaceId)
    .select('waits')
    .select(['node_id', 'kind'])
    .where('run_id', '=', runId)
    .where('status', '=', 'pending')
    .orderBy(sql`kind <> 'message'`)
    .orderBy(sql`kind = 'event'`)
    .orderBy('created_at')
    .executeTakeFirst();
  return row ?? null;
}

export interface ConversationRow {
  readonly id: string;
  readonly status: RunStatus;
  readonly version: number | null;
  readonly tags: readonly string[];
  readonly turns: number;
  /** Somebody listens to the user. */
  readonly listens: boolean;
  readonly created_at: Date;
  readonly started_at: Date | null;
  readonly ended_at: Date | null;
}

const conversationsOf = (db: Database, workspaceId: string, definitionId: string) =>
  scoped(db, workspaceId)
    .select('runs')
    .where('runs.definition_id', '=', definitionId)
    .where('runs.is_conversation', '=', true);

/** The conversations of a definition, the newest first. */
export async function listConversations(
  db: Database,
  of: { readonly workspaceId: string; readonly definitionId: string },
  page: { readonly limit: number; readonly offset: number },
): Promise<{ readonly items: readonly ConversationRow[]; readonly total: number }> {
  const { workspaceId, definitionId } = of;
  const items = await conversationsOf(db, workspaceId, definitionId)
    .leftJoin('versions', 'versions.id', 'runs.version_id')
    .select(['runs.id', 'runs.status', 'versions.number as version', 'runs.tags', 'runs.created_at'])
    .select(['runs.started_at', 'runs.ended_at'])
    .select([
      sql<number>`(select count(*)::int from run_steps where run_id = runs.id and kind = 'listen'
        and status = 'completed' and decided_by is distinct from 'timeout')`.as('turns'),
      sql<boolean>`exists (select from waits where run_id = runs.id and kind = 'message' and status = 'pending')`.as(
        'listens',
      ),
    ])
    .orderBy('runs.id', 'desc')
    .limit(page.limit)
    .offset(page.offset)
    .execute();
  const { total } = await conversationsOf(db, workspaceId, definitionId)
    .select((eb) => eb.fn.countAll<string>().as('total'))
    .executeTakeFirstOrThrow();
  return { items, total: Number(total) };
}
