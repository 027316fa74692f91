import { z } from 'zod';
import { JsonValue, Time } from '../http/schemas.js';

/** What the Service surface says when there is little to say. */
export const successOf = <T extends z.ZodType>(data: T) =>
  z.object({ success: z.boolean(), message: z.string(), data });

export const Success = successOf(JsonValue.nullable()).meta({ id: 'SuccessResponse' });

const tokens = {
  access_token: z.string(),
  refresh_token: z.string(),
  token_type: z.literal('bearer'),
  /** Seconds the access token works. */
  expires_in: z.number().int(),
  expires_at: Time,
  refresh_expires_at: Time,
  kid: z.string(),
  refresh_kid: z.string(),
  scopes: z.array(z.string()),
};

/** What a sign-in and a refresh give a person, on the Service and the Agent Studio surface alike. */
export const UserSession = z
  .object({
    ...tokens,
    tenant_id: z.string(),
    user_id: z.string(),
    email_verified: z.boolean(),
    session_id: z.string(),
  })
  .meta({ id: 'UserSessionResponse' });

export const ServiceAccountSession = z
  .object({ ...tokens, tenant_id: z.string().nullable(), account: z.string() })
  .meta({ id: 'ServiceAccountSessionResponse' });

const SessionItem = z
  .object({
    id: z.string(),
    tenant_id: z.string(),
    created_at: Time,
    last_seen_at: Time.nullable(),
    revoked_at: Time.nullable(),
    ip_address_masked: z.string().nullable(),
    fingerprint: z.string().nullable(),
    client: z
      .object({
        platform: z.string().nullable(),
        browser: z.string().nullable(),
        device: z.string().nullable(),
        user_agent: z.string().nullable(),
      })
      .meta({ id: 'SessionClientInfo' }),
    location: z
      .object({ city: z.string().nullable(), region: z.string().nullable(), country: z.string().nullable() })
      .nullable(),
    current: z.boolean(),
  })
  .meta({ id: 'UserSessionItem' });

export const SessionList = z
  .object({
    sessions: z.array(SessionItem),
    total: z.number().int(),
    limit: z.number().int(),
    offset: z.number().int(),
  })
  .meta({ id: 'UserSessionListResponse' });
