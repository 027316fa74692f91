import { sql } from 'kysely';
import type { Json } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';

/** A deployment as lists show it: its token is known by its first characters only. */
export interface DeploymentRow {
  readonly id: string;
  readonly agent_id: string;
  readonly channel: string;
  readonly name: string | null;
  readonly allowed_origins: readonly string[];
  readonly theme: Readonly<Record<string, Json>>;
  readonly prefix: string;
  readonly created_by: string;
  readonly created_at: Date;
  readonly last_used_at: Date | null;
}

const columns = [
  'id',
  'definition_id as agent_id',
  'channel',
  'name',
  'allowed_origins',
  'theme',
  'prefix',
  'created_by',
  'created_at',
  'last_used_at',
] as const;

export interface DeploymentsOf {
  readonly workspaceId: string;
  readonly definitionId: string;
}

const liveOf = (db: Database, { workspaceId, definitionId }: DeploymentsOf) =>
  scoped(db, workspaceId)
    .select('deployments')
    .where('definition_id', '=', definitionId)
    .where('revoked_at', 'is', null);

/** Live ones, newest first. */
export async function listDeployments(
  db: Database,
  of: DeploymentsOf,
  page: { readonly limit: number; readonly offset: number },
): Promise<{ readonly items: readonly DeploymentRow[]; readonly total: number }> {
  const items = await liveOf(db, of)
    .select(columns)
    .orderBy('id', 'desc')
    .limit(page.limit)
    .offset(page.offset)
    .execute();
  const { total } = await liveOf(db, of)
    .select(sql<number>`count(*)::int`.as('total'))
    .executeTakeFirstOrThrow();
  return { items, total };
}

export interface NewDeployment extends DeploymentsOf {
  readonly id: string;
  readonly channel: string;
  readonly name: string | null;
  readonly tokenHash: string;
  readonly prefix: string;
  readonly allowedOrigins: readonly string[];
  readonly theme: Readonly<Record<string, Json>>;
  readonly createdBy: string;
  /** The most live deployments a definition may have, this one included. */
  readonly atMost: number;
}

/** `full` when the definition has all it may have, `taken` when a live one has the name. Twins are counted one after the other. */
export function insertDeployment(db: Database, made: NewDeployment): Promise<DeploymentRow | 'full' | 'taken'> {
  return db.transaction().execute(async (trx) => {
    await scoped(trx, made.workspaceId)
      .select('definitions')
      .select('id')
      .where('id', '=', made.definitionId)
      .forNoKeyUpdate()
      .execute();
    const { live } = await liveOf(trx, made)
      .select(sql<number>`count(*)::int`.as('live'))
      .executeTakeFirstOrThrow();
    if (live >= made.atMost) return 'full';
    const row = await scoped(trx, made.workspaceId)
      .insert('deployments', {
        id: made.id,
        definition_id: made.definitionId,
        channel: made.channel,
        name: made.name,
        token_hash: made.tokenHash,
        prefix: made.prefix,
        allowed_origins: [...made.allowedOrigins],
        theme: JSON.stringify(made.theme),
        created_by: made.createdBy,
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning(columns)
      .executeTakeFirst();
    return row ?? 'taken';
  });
}

/** False for an unknown, foreign or already revoked one. */
export async function revokeDeployment(db: Database, { workspaceId, ...of }: DeploymentsOf & { id: string }) {
  const row = await scoped(db, workspaceId)
    .update('deployments', of.id)
    .set({ revoked_at: sql<Date>`now()` })
    .where('definition_id', '=', of.definitionId)
    .where('revoked_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** Marks the runs that pages started; their `actor` is the deployment. */
export const EMBED_TRIGGER = 'embed';

/** Whether the session is one that this deployment began. */
export async function isSessionOf(
  db: Database,
  session: { readonly workspaceId: string; readonly runId: string; readonly deploymentId: string },
): Promise<boolean> {
  const row = await scoped(db, session.workspaceId)
    .select('runs')
    .select('id')
    .where('id', '=', session.runId)
    .where('trigger', '=', EMBED_TRIGGER)
    .where('actor', '=', session.deploymentId)
    .executeTakeFirst();
  return row !== undefined;
}
