import type { Json } from '../../workflows/definition/values.js';
import type { Database } from '../../db/client.js';
import {
  changeTenant,
  findTenantById,
  findTenantSettings,
  replaceTenantSettings,
  type TenantChange as TenantRowChange,
  type TenantRow,
  type TenantSettingsValues,
} from '../../db/tenants.js';
import type { Actor } from '../actor.js';
import { badRequest, forbidden, invalid, notFound } from '../http/errors.js';
import { mergeSettings } from './merge-settings.js';
import type { FollowWebhookUrl } from './tenant-webhook.js';
import { noSettings, TenantSettings, type TenantBilling, type TenantChange } from './tenant-schema.js';

const MAX_CONTACTS = 10;

export interface TenantView extends Pick<TenantRow, 'id' | 'slug' | 'name' | 'plan' | 'is_active' | 'mfa_policy'> {
  readonly settings: TenantSettings;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface BillingView extends TenantSettingsValues {
  readonly tenant_id: string;
  readonly updated_at: Date | null;
}

export interface TenantService {
  readonly get: (tenantId: string) => Promise<TenantView>;
  /** `webhook_secret` is there when the change made an endpoint, and shown this once. */
  readonly change: (actor: Actor, change: TenantChange) => Promise<TenantView & { readonly webhook_secret?: string }>;
  readonly getBilling: (tenantId: string) => Promise<BillingView>;
  readonly replaceBilling: (tenantId: string, billing: TenantBilling) => Promise<BillingView>;
}

export interface TenantDeps {
  readonly db: Database;
  /** What is wrong with an address that is called from here, or null. */
  readonly urlProblem: (url: string) => string | null;
  readonly followWebhookUrl: FollowWebhookUrl;
}

export const createTenantService = (deps: TenantDeps): TenantService => ({
  get: async (tenantId) => viewOf(await existing(deps.db, tenantId)),
  change: (actor, change) => changeOwn(deps, actor, change),
  getBilling: async (tenantId) => {
    const row = await findTenantSettings(deps.db, tenantId);
    if (row !== undefined) return row;
    await existing(deps.db, tenantId);
    const none = { billing_contacts: [], billing_webhook_url: null, plan_metadata: {}, flags: {} };
    return { tenant_id: tenantId, ...none, updated_at: null };
  },
  replaceBilling: async (tenantId, billing) => {
    if (billing.billing_contacts.length > MAX_CONTACTS) {
      throw badRequest(`billing_contacts: at most ${MAX_CONTACTS}.`, 'billing_contacts');
    }
    const url = billing.billing_webhook_url ?? null;
    checkWebhook(deps, 'billing_webhook_url', url);
    await existing(deps.db, tenantId);
    const contacts = billing.billing_contacts.map((each) => ({
      ...each,
      role: each.role ?? null,
      phone: each.phone ?? null,
    }));
    return replaceTenantSettings(deps.db, tenantId, {
      ...billing,
      billing_contacts: contacts,
      billing_webhook_url: url,
    });
  },
});

async function existing(db: Database, tenantId: string): Promise<TenantRow> {
  const tenant = await findTenantById(db, tenantId);
  if (tenant === undefined) throw notFound('organisation', tenantId);
  return tenant;
}

/** What stands in the column as it is told: what nobody set, or an older version wrote otherwise, is told as nothing. */
function viewOf(tenant: TenantRow): TenantView {
  const kept = Object.entries(TenantSettings.shape).map(([key, schema]) => {
    // -- reason: the key is one of the shape's own
    const preset = noSettings[key as keyof TenantSettings];
    const known = schema.safeParse(withPreset(preset, tenant.settings[key]));
    return [key, known.success ? known.data : preset] as const;
  });
  // -- reason: every key of the shape has a value of its own schema
  return { ...tenant, settings: Object.fromEntries(kept) as TenantSettings };
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const withPreset = (preset: unknown, value: unknown): unknown =>
  isObject(preset) && isObject(value) ? { ...preset, ...value } : (value ?? preset);

async function changeOwn(
  deps: TenantDeps,
  actor: Actor,
  change: TenantChange,
): Promise<TenantView & { readonly webhook_secret?: string }> {
  if (change.mfa_policy !== undefined && actor.role !== 'owner') {
    throw forbidden('mfa_policy: only an owner of the organisation may change it.');
  }
  checkAddresses(deps, change.settings ?? {});
  const url = change.settings?.webhook_url;
  const { changed, secret } = await deps.db.transaction().execute(async (trx) => {
    const row = await changeTenant(trx, actor.tenantId, (tenant) => changeOf(tenant, change));
    const isFollowed = row !== undefined && url !== undefined;
    const follow = { tenantId: actor.tenantId, url: url ?? null, by: actor.id };
    return { changed: row, secret: isFollowed ? await deps.followWebhookUrl(trx, follow) : null };
  });
  if (changed === undefined) throw notFound('organisation', actor.tenantId);
  return { ...viewOf(changed), ...(secret === null ? {} : { webhook_secret: secret }) };
}

function changeOf({ settings: before }: TenantRow, change: TenantChange): TenantRowChange {
  if (change.settings === undefined) return { name: change.name, mfa_policy: change.mfa_policy };
  // -- reason: it came as JSON; undefined stands in no value of a parsed body
  const settings = mergeSettings(before, change.settings as Readonly<Record<string, Json>>);
  checkMerged(settings);
  return { ...change, settings };
}

/** Small changes must not add up to what one change could not say. */
function checkMerged(settings: Readonly<Record<string, Json>>): void {
  const merged = TenantSettings.partial()
    .extend({ api_config: TenantSettings.shape.api_config.partial().optional() })
    .safeParse(settings);
  if (merged.success) return;
  throw invalid(merged.error.issues.map(({ path, message }) => ({ field: ['settings', ...path].join('.'), message })));
}

function checkAddresses(deps: TenantDeps, settings: NonNullable<TenantChange['settings']>): void {
  checkWebhook(deps, 'settings.webhook_url', settings.webhook_url ?? null);
  const base = settings.api_config?.base_url ?? null;
  const problem = base === null ? null : deps.urlProblem(base);
  if (problem !== null) throw invalid([{ field: 'settings.api_config.base_url', message: problem }]);
}

function checkWebhook({ urlProblem }: TenantDeps, field: string, url: string | null): void {
  if (url === null) return;
  const problem = urlProblem(url) ?? (new URL(url).protocol === 'https:' ? null : 'must begin with https://');
  if (problem !== null) throw invalid([{ field, message: problem }]);
}
