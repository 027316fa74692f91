import { sql, type Selectable } from 'kysely';
import type { Database } from './client.js';
import type { Role, Tables } from './tables.js';

export type StoredProvider = Selectable<Tables['sso_providers']>;

/** A provider without its secret. */
export type ProviderRow = Omit<StoredProvider, 'client_secret_sealed' | 'tenant_id' | 'created_by'>;

const columns = [
  'id',
  'slug',
  'name',
  'issuer',
  'client_id',
  'scopes',
  'role_claim',
  'role_map',
  'default_role',
  'email_domains',
  'enabled',
  'created_at',
  'updated_at',
] as const;

/** Which provider of which organisation. */
export interface ProviderRef {
  readonly tenantId: string;
  readonly id: string;
}

export const listProviders = (db: Database, tenantId: string): Promise<readonly ProviderRow[]> =>
  db.selectFrom('sso_providers').select(columns).where('tenant_id', '=', tenantId).orderBy('id').execute();

export const findProvider = (db: Database, { tenantId, id }: ProviderRef): Promise<ProviderRow | undefined> =>
  db
    .selectFrom('sso_providers')
    .select(columns)
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .executeTakeFirst();

/** For a sign-in, which begins with nothing but the slug; of an organisation that is active. */
export const findProviderBySlug = (db: Database, slug: string): Promise<StoredProvider | undefined> =>
  db
    .selectFrom('sso_providers as p')
    .innerJoin('tenants as t', 't.id', 'p.tenant_id')
    .selectAll('p')
    .where('p.slug', '=', slug)
    .where('t.is_active', '=', true)
    .executeTakeFirst();

export interface ProviderValues {
  readonly name: string;
  readonly slug: string;
  readonly issuer: string;
  readonly client_id: string;
  readonly scopes: readonly string[];
  readonly role_claim: string;
  readonly role_map: Readonly<Record<string, Role>>;
  readonly default_role: Exclude<Role, 'owner'> | null;
  readonly email_domains: readonly string[];
  readonly enabled: boolean;
}

export interface NewProvider extends ProviderValues {
  readonly ref: ProviderRef;
  readonly sealedSecret: string;
  readonly createdBy: string;
  /** The most providers an organisation may have, this one included. */
  readonly atMost: number;
}

/** `missing` when there is no such organisation, `taken` when somebody has the slug. Twins are counted one after the other. */
export function insertProvider(db: Database, made: NewProvider): Promise<ProviderRow | 'missing' | 'full' | 'taken'> {
  const { ref, sealedSecret, createdBy, atMost, role_map: roleMap, scopes, email_domains: domains, ...values } = made;
  return db.transaction().execute(async (trx) => {
    const tenant = await trx
      .selectFrom('tenants')
      .select(sql<number>`(select count(*)::int from sso_providers where tenant_id = tenants.id)`.as('count'))
      .where('id', '=', ref.tenantId)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (tenant === undefined) return 'missing';
    if (tenant.count >= atMost) return 'full';
    const row = await trx
      .insertInto('sso_providers')
      .values({
        ...values,
        ...{ id: ref.id, tenant_id: ref.tenantId, client_secret_sealed: sealedSecret, created_by: createdBy },
        scopes: [...scopes],
        email_domains: [...domains],
        role_map: JSON.stringify(roleMap),
      })
      .onConflict((conflict) => conflict.column('slug').doNothing())
      .returning(columns)
      .executeTakeFirst();
    return row ?? 'taken';
  });
}

/** With another issuer nobody is known any more: its subjects are other people. */
export function updateProvider(
  db: Database,
  { tenantId, id }: ProviderRef,
  change: Partial<ProviderValues> & { readonly sealedSecret?: string },
): Promise<ProviderRow | undefined> {
  const { sealedSecret, scopes, role_map: roleMap, email_domains: domains, ...values } = change;
  const set = {
    ...values,
    ...(sealedSecret === undefined ? {} : { client_secret_sealed: sealedSecret }),
    ...(scopes === undefined ? {} : { scopes: [...scopes] }),
    ...(domains === undefined ? {} : { email_domains: [...domains] }),
    ...(roleMap === undefined ? {} : { role_map: JSON.stringify(roleMap) }),
    updated_at: sql<Date>`now()`,
  };
  return db.transaction().execute(async (trx) => {
    const before = await trx
      .selectFrom('sso_providers')
      .select('issuer')
      .where('tenant_id', '=', tenantId)
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst();
    if (before === undefined) return undefined;
    if (values.issuer !== undefined && values.issuer !== before.issuer) {
      await trx.deleteFrom('user_identities').where('provider_id', '=', id).execute();
    }
    return trx
      .updateTable('sso_providers')
      .set(set)
      .where('tenant_id', '=', tenantId)
      .where('id', '=', id)
      .returning(columns)
      .executeTakeFirst();
  });
}

/** False for an unknown or foreign one. Its sign-ins under way and its links to people go with it. */
export async function deleteProvider(db: Database, { tenantId, id }: ProviderRef): Promise<boolean> {
  const row = await db
    .deleteFrom('sso_providers')
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}
