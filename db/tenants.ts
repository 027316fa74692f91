import { sql, type Selectable } from 'kysely';
import type { Json } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import type { BillingContact } from './tables/admission.js';
import type { MfaPolicy, Tables } from './tables.js';

export type TenantRow = Selectable<Tables['tenants']>;

export const findTenantById = (db: Database, id: string): Promise<TenantRow | undefined> =>
  db.selectFrom('tenants').selectAll().where('id', '=', id).executeTakeFirst();

export const findTenantBySlug = (db: Database, slug: string): Promise<{ readonly id: string } | undefined> =>
  db.selectFrom('tenants').select('id').where('slug', '=', slug).executeTakeFirst();

export interface TenantChange {
  readonly name?: string | undefined;
  readonly mfa_policy?: MfaPolicy | undefined;
  readonly settings?: Readonly<Record<string, Json>> | undefined;
}

/** In a transaction: `change` is worked out of the row while nobody else changes it; undefined when there is no such organisation. */
export async function changeTenant(
  trx: Database,
  id: string,
  change: (tenant: TenantRow) => TenantChange,
): Promise<TenantRow | undefined> {
  const tenant = await trx.selectFrom('tenants').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
  if (tenant === undefined) return undefined;
  const { name, mfa_policy, settings } = change(tenant);
  return trx
    .updateTable('tenants')
    .set({
      ...(name === undefined ? {} : { name }),
      ...(mfa_policy === undefined ? {} : { mfa_policy }),
      ...(settings === undefined ? {} : { settings: JSON.stringify(settings) }),
      updated_at: sql<Date>`now()`,
    })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

export interface TenantSettingsValues {
  readonly billing_contacts: readonly BillingContact[];
  readonly billing_webhook_url: string | null;
  readonly plan_metadata: Readonly<Record<string, string>>;
  readonly flags: Readonly<Record<string, boolean>>;
}

export type TenantSettingsRow = Selectable<Tables['tenant_settings']>;

export const findTenantSettings = (db: Database, tenantId: string): Promise<TenantSettingsRow | undefined> =>
  db.selectFrom('tenant_settings').selectAll().where('tenant_id', '=', tenantId).executeTakeFirst();

export async function replaceTenantSettings(
  db: Database,
  tenantId: string,
  values: TenantSettingsValues,
): Promise<TenantSettingsRow> {
  const row = {
    billing_contacts: JSON.stringify(values.billing_contacts),
    billing_webhook_url: values.billing_webhook_url,
    plan_metadata: JSON.stringify(values.plan_metadata),
    flags: JSON.stringify(values.flags),
    updated_at: sql<Date>`now()`,
  };
  return db
    .insertInto('tenant_settings')
    .values({ ...row, tenant_id: tenantId })
    .onConflict((conflict) => conflict.column('tenant_id').doUpdateSet(row))
    .returningAll()
    .executeTakeFirstOrThrow();
}
