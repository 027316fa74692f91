import type { Generated } from 'kysely';
import type { Created, Jsonb } from './columns.js';

export interface BillingContact {
  readonly name: string;
  readonly email: string;
  readonly role: string | null;
  readonly phone: string | null;
  readonly notify_billing: boolean;
}

/** Who may come in, and what an organisation says of itself. */
export interface AdmissionTables {
  signup_requests: {
    id: string;
    email: string;
    organization: string;
    full_name: string;
    message: string | null;
    /** The caller's address, or its /64. */
    network: string;
    status: Generated<'pending' | 'approved' | 'rejected'>;
    decided_by: string | null;
    decision_reason: string | null;
    decided_at: Date | null;
    created_at: Created;
  };
  signup_invites: {
    id: string;
    token_hash: string;
    token_hint: string;
    /** Only this address may use it; null: anybody who holds the token. */
    invited_email: string | null;
    max_redemptions: number;
    redeemed_count: Generated<number>;
    expires_at: Date | null;
    note: string | null;
    signup_request_id: string | null;
    created_by: string;
    created_at: Created;
    revoked_at: Date | null;
  };
  signup_invite_reservations: { id: string; invite_id: string; expires_at: Date };
  /** SHA-256 of the nonces of signed requests, kept until the request would be too old anyhow. */
  service_account_nonces: { nonce_hash: string; expires_at: Date };
  tenant_settings: {
    tenant_id: string;
    billing_contacts: Jsonb<readonly BillingContact[]>;
    billing_webhook_url: string | null;
    plan_metadata: Jsonb<Readonly<Record<string, string>>>;
    flags: Jsonb<Readonly<Record<string, boolean>>>;
    updated_at: Created;
  };
}
