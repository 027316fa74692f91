import { z } from 'zod';
import { AgentDefaults } from '../../workflows/definition/agents/effective.js';
import { JsonValue } from '../http/schemas.js';

/** How much an organisation may keep of each kind. */
const MOST = 100;
const Name = z.string().min(1).max(128);
const Address = z.string().trim().min(1).max(2_000);
const few = (map: object): boolean => Object.keys(map).length <= MOST;
const tooMany = `must have at most ${MOST} entries`;

/** The settings this API knows; whatever else stands in the column belongs to others and is left alone. */
export const tenantSettings = {
  webhook_url: Address.nullable(),
  default_language: z.string().min(2).max(35).nullable(),
  supported_languages: z.array(z.string().min(2).max(35)).max(MOST),
  feature_flags: z.record(Name, z.boolean()).refine(few, tooMany),
  api_config: z.object({
    base_url: Address.nullable(),
    timeout: z.number().min(0).max(3_600).nullable(),
    retry_count: z.number().int().min(0).max(100).nullable(),
  }),
  endpoints: z
    .record(
      Name,
      z.object({
        path: z.string().min(1).max(2_000),
        method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
      }),
    )
    .refine(few, tooMany),
  agent_defaults: AgentDefaults.optional().meta({ description: 'Provider blocks of agents that name none' }),
};

export const TenantSettings = z.object(tenantSettings);
export type TenantSettings = z.output<typeof TenantSettings>;

/** Of an organisation that has said nothing yet. */
export const noSettings: TenantSettings = {
  webhook_url: null,
  default_language: null,
  supported_languages: [],
  feature_flags: {},
  api_config: { base_url: null, timeout: null, retry_count: null },
  endpoints: {},
};

/** What comes of it is checked as a whole. */
const AgentDefaultsChange = z.partialRecord(
  z.enum(Object.keys(AgentDefaults.shape)),
  z.record(Name, JsonValue).nullable(),
);

/** Merged into what is there: what is not named stays, null takes a value or an entry away. */
export const TenantSettingsChange = z
  .strictObject({
    webhook_url: tenantSettings.webhook_url,
    default_language: tenantSettings.default_language,
    supported_languages: tenantSettings.supported_languages.nullable(),
    feature_flags: z.record(Name, z.boolean().nullable()).nullable(),
    api_config: z.strictObject(tenantSettings.api_config.shape).partial().nullable(),
    endpoints: z
      .record(
        Name,
        z
          .strictObject({
            path: z.string().min(1).max(2_000),
            method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
          })
          .partial()
          .nullable(),
      )
      .nullable(),
    agent_defaults: AgentDefaultsChange.nullable(),
  })
  .partial();

export const TenantChange = z.strictObject({
  name: z.string().trim().min(2).max(128).optional(),
  mfa_policy: z.enum(['off', 'sensitive', 'always']).optional(),
  settings: TenantSettingsChange.optional(),
});
export type TenantChange = z.output<typeof TenantChange>;

export const BillingContact = z.strictObject({
  name: z.string().trim().min(1).max(128),
  email: z.string().trim().max(254).pipe(z.email('must be an e-mail address such as ada@example.com')),
  role: z.string().max(64).nullish(),
  phone: z.string().max(64).nullish(),
  notify_billing: z.boolean().default(true),
});

export const TenantBilling = z.strictObject({
  billing_contacts: z.array(BillingContact),
  billing_webhook_url: z.string().trim().min(1).max(2_000).nullish(),
  plan_metadata: z.record(Name, z.string().max(2_000)).refine(few, tooMany),
  flags: z.record(Name, z.boolean()).refine(few, tooMany),
});
export type TenantBilling = z.output<typeof TenantBilling>;
