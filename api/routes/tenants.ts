import { z } from 'zod';
import { route, type Route } from '../http/route.js';
import { Time } from '../http/schemas.js';
import { BillingContact, TenantBilling, TenantChange, TenantSettings } from '../services/tenant-schema.js';

const tenants = { tag: 'tenants', auth: 'tenant' } as const;
const audit = { entity: 'tenant' };

const Tenant = z
  .object({
    id: z.string(),
    slug: z.string(),
    name: z.string(),
    plan: z.string(),
    is_active: z.boolean(),
    mfa_policy: z.enum(['off', 'sensitive', 'always']),
    settings: TenantSettings,
    created_at: Time,
    updated_at: Time,
  })
  .meta({ id: 'Tenant' });

const Billing = z
  .object({
    tenant_id: z.string(),
    billing_contacts: z.array(
      BillingContact.extend({ role: z.string().nullable(), phone: z.string().nullable(), notify_billing: z.boolean() }),
    ),
    billing_webhook_url: z.string().nullable(),
    plan_metadata: z.record(z.string(), z.string()),
    flags: z.record(z.string(), z.boolean()),
    updated_at: Time.nullable(),
  })
  .meta({ id: 'TenantSettingsResponse' });

const gone = { 404: 'there is no such organisation' };

export const tenantRoutes: readonly Route[] = [
  route({
    ...tenants,
    id: 'tenants.me',
    method: 'GET',
    path: '/api/v1/tenants/me',
    summary: 'The organisation acted for, and its settings',
    reply: Tenant,
    errors: gone,
    handle: ({ actor }, { tenants: service }) => service.get(actor.tenantId),
  }),
  route({
    ...tenants,
    id: 'tenants.update',
    method: 'PATCH',
    path: '/api/v1/tenants/me',
    summary: 'Change its name and settings, which are merged; an owner may change mfa_policy',
    role: 'admin',
    mfa: 'sensitive',
    audit,
    body: TenantChange,
    reply: Tenant.extend({
      webhook_secret: z
        .string()
        .optional()
        .meta({ description: 'Of a webhook_url that was not set before: signs its events; shown this once' }),
    }).meta({ id: 'ChangedTenant' }),
    errors: gone,
    handle: ({ actor, body }, { tenants: service }) => service.change(actor, body),
  }),
  route({
    ...tenants,
    id: 'tenantSettings.get',
    method: 'GET',
    path: '/api/v1/tenants/settings',
    summary: 'Billing contacts, plan data and flags',
    role: 'admin',
    reply: Billing,
    errors: gone,
    handle: ({ actor }, { tenants: service }) => service.getBilling(actor.tenantId),
  }),
  route({
    ...tenants,
    id: 'tenantSettings.replace',
    method: 'PUT',
    path: '/api/v1/tenants/settings',
    summary: 'Replace all of them',
    role: 'admin',
    mfa: 'sensitive',
    audit: { entity: 'tenant_settings' },
    body: TenantBilling,
    reply: Billing,
    errors: { ...gone, 400: 'more than 10 billing contacts' },
    handle: ({ actor, body }, { tenants: service }) => service.replaceBilling(actor.tenantId, body),
  }),
];
