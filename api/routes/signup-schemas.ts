import { z } from 'zod';
import { Time } from '../http/schemas.js';

export const SignupPolicy = z
  .object({
    policy: z.enum(['public', 'invite_only', 'approval']),
    invite_required: z.boolean(),
    request_access_enabled: z.boolean(),
  })
  .meta({ id: 'SignupAccessPolicyResponse' });

export const Invite = z
  .object({
    id: z.string(),
    token_hint: z.string(),
    invited_email: z.string().nullable(),
    status: z.enum(['active', 'revoked', 'expired', 'exhausted']),
    max_redemptions: z.number().int(),
    redeemed_count: z.number().int(),
    expires_at: Time.nullable(),
    created_at: Time,
    signup_request_id: z.string().nullable(),
    note: z.string().nullable(),
  })
  .meta({ id: 'SignupInviteResponse' });

export const IssuedInvite = Invite.extend({ invite_token: z.string() }).meta({ id: 'SignupInviteIssueResponse' });

export const SignupRequest = z
  .object({
    id: z.string(),
    email: z.string(),
    organization: z.string().nullable(),
    full_name: z.string().nullable(),
    message: z.string().nullable(),
    status: z.enum(['pending', 'approved', 'rejected']),
    created_at: Time,
    decision_reason: z.string().nullable(),
    invite_token_hint: z.string().nullable(),
  })
  .meta({ id: 'SignupRequestResponse' });

export const InviteHours = z.number().int().min(1).max(336).nullable().default(72);

export const SignupPage = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  offset: z.coerce.number().int().min(0).max(1_000_000_000).default(0),
});
