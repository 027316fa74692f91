import { sql, type Selectable } from 'kysely';
import type { Json } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';
import type { IngressTarget, Tables } from './tables.js';

type Whole = Selectable<Tables['ingress_sources']>;

/** A source without its secrets, for whoever looks after it. */
export type SourceRow = Omit<Whole, 'secret_sealed' | 'previous_secret_sealed' | 'workspace_id' | 'deleted_at'> & {
  readonly workspace_slug: string;
  readonly dead_count: number;
};

/** What a delivery is verified and processed with. */
export type DeliverySource = Whole;

export interface SourceRef {
  readonly workspaceId: string;
  readonly id: string;
}

export interface SourceValues {
  readonly name: string;
  readonly slug: string;
  readonly verification: Json;
  readonly target: IngressTarget;
  readonly input: Json;
  readonly keep_headers: readonly string[];
  readonly tolerance_seconds: number;
  readonly is_active: boolean;
}

const shown = [
  'ingress_sources.id',
  'ingress_sources.name',
  'ingress_sources.slug',
  'ingress_sources.provider',
  'ingress_sources.verification',
  'ingress_sources.previous_secret_until',
  'ingress_sources.target',
  'ingress_sources.input',
  'ingress_sources.keep_headers',
  'ingress_sources.tolerance_seconds',
  'ingress_sources.is_active',
  'ingress_sources.rejected_count',
  'ingress_sources.last_rejected_at',
  'ingress_sources.created_by',
  'ingress_sources.created_at',
  'ingress_sources.updated_at',
] as const;

const selectShown = (db: Database, workspaceId: string) =>
  scoped(db, workspaceId)
    .select('ingress_sources')
    .innerJoin('workspaces', 'workspaces.id', 'ingress_sources.workspace_id')
    .select(shown)
    .select('workspaces.slug as workspace_slug')
    .select(
      sql<number>`(select count(*)::int from ingress_messages
        where source_id = ingress_sources.id and status = 'dead')`.as('dead_count'),
    )
    .where('ingress_sources.deleted_at', 'is', null);

export async function listSources(
  db: Database,
  workspaceId: string,
  page: { readonly limit: number; readonly offset: number },
): Promise<{ readonly items: readonly SourceRow[]; readonly total: number }> {
  const items = await selectShown(db, workspaceId)
    .orderBy('ingress_sources.id')
    .limit(page.limit)
    .offset(page.offset)
    .execute();
  const { total } = await scoped(db, workspaceId)
    .select('ingress_sources')
    .select(sql<number>`count(*)::int`.as('total'))
    .where('deleted_at', 'is', null)
    .executeTakeFirstOrThrow();
  return { items, total };
}

export const findSource = (db: Database, { workspaceId, id }: SourceRef): Promise<SourceRow | undefined> =>
  selectShown(db, workspaceId).where('ingress_sources.id', '=', id).executeTakeFirst();

/** With its secrets sealed, deleted ones too: what they accepted is still told what became of its source. */
export const sourceOfMessage = (db: Database, { workspaceId, id }: SourceRef): Promise<DeliverySource | undefined> =>
  scoped(db, workspaceId).get('ingress_sources', id);

/** By its address; one that is switched off is not there. */
export const sourceAt = (
  db: Database,
  address: { readonly workspaceSlug: string; readonly sourceSlug: string },
): Promise<DeliverySource | undefined> =>
  db
    .selectFrom('ingress_sources')
    .innerJoin('workspaces', 'workspaces.id', 'ingress_sources.workspace_id')
    .selectAll('ingress_sources')
    .where('workspaces.slug', '=', address.workspaceSlug)
    .where('workspaces.deleted_at', 'is', null)
    .where('ingress_sources.slug', '=', address.sourceSlug)
    .where('ingress_sources.is_active', '=', true)
    .where('ingress_sources.deleted_at', 'is', null)
    .executeTakeFirst();

export interface NewSource extends SourceValues {
  readonly ref: SourceRef;
  readonly provider: string;
  readonly sealedSecret: string;
  readonly createdBy: string;
  /** The most sources a workspace may have, this one included. */
  readonly atMost: number;
}

/** `taken` when a source of the workspace has the slug. Twins are counted one after the other. */
export function insertSource(db: Database, made: NewSource): Promise<'made' | 'full' | 'taken'> {
  const { ref, sealedSecret, createdBy, atMost, ...values } = made;
  return db.transaction().execute(async (trx) => {
    const { count } = await trx
      .selectFrom('workspaces')
      .select(
        sql<number>`(select count(*)::int from ingress_sources
          where workspace_id = workspaces.id and deleted_at is null)`.as('count'),
      )
      .where('id', '=', ref.workspaceId)
      .forNoKeyUpdate()
      .executeTakeFirstOrThrow();
    if (count >= atMost) return 'full';
    const row = await scoped(trx, ref.workspaceId)
      .insert('ingress_sources', {
        ...columnsOf(values),
        ...{ id: ref.id, provider: made.provider, secret_sealed: sealedSecret, created_by: createdBy },
        ...{ previous_secret_sealed: null, previous_secret_until: null, deleted_at: null },
      })
      .onConflict((conflict) => conflict.columns(['workspace_id', 'slug']).where('deleted_at', 'is', null).doNothing())
      .returning('id')
      .executeTakeFirst();
    return row === undefined ? 'taken' : 'made';
  });
}

const columnsOf = (values: SourceValues) => ({
  ...values,
  verification: JSON.stringify(values.verification),
  target: JSON.stringify(values.target),
  input: values.input === null ? null : JSON.stringify(values.input),
  keep_headers: [...values.keep_headers],
});

/** False when there is none. A slug that is taken breaks a unique index, which the API answers as a 409. */
export async function updateSource(
  db: Database,
  { workspaceId, id }: SourceRef,
  values: SourceValues,
): Promise<boolean> {
  const row = await scoped(db, workspaceId)
    .update('ingress_sources', id)
    .set({ ...columnsOf(values), updated_at: sql<Date>`now()` })
    .where('deleted_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** The secret so far goes on for the overlap; one that was rotated out before it does not. */
export async function rotateSourceSecret(
  db: Database,
  { workspaceId, id }: SourceRef,
  { sealedSecret, overlapSeconds }: { readonly sealedSecret: string; readonly overlapSeconds: number },
): Promise<boolean> {
  const row = await scoped(db, workspaceId)
    .update('ingress_sources', id)
    .set({
      previous_secret_sealed: sql<string>`secret_sealed`,
      previous_secret_until: sql<Date>`now() + make_interval(secs => ${overlapSeconds})`,
      secret_sealed: sealedSecret,
      updated_at: sql<Date>`now()`,
    })
    .where('deleted_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

export async function deleteSource(db: Database, { workspaceId, id }: SourceRef): Promise<boolean> {
  const row = await scoped(db, workspaceId)
    .update('ingress_sources', id)
    .set({ deleted_at: sql<Date>`now()`, is_active: false })
    .where('deleted_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** Of a request whose signature did not fit nothing else is kept. */
export async function countRejected(db: Database, { workspaceId, id }: SourceRef): Promise<void> {
  await scoped(db, workspaceId)
    .update('ingress_sources', id)
    .set({ rejected_count: sql<string>`rejected_count + 1`, last_rejected_at: sql<Date>`now()` })
    .execute();
}
