import type { Generated } from 'kysely';
import type { Created, Jsonb } from './columns.js';
import type { Role } from './identity.js';

/** Single sign-on. */
export interface SsoTables {
  /** An organisation's identity providers. */
  sso_providers: {
    id: string;
    tenant_id: string;
    /** Unique over the installation: sign-in addresses name it. */
    slug: string;
    name: string;
    issuer: string;
    client_id: string;
    client_secret_sealed: string;
    scopes: string[];
    /** Dotted path of the claim that says the role. */
    role_claim: string;
    role_map: Jsonb<Readonly<Record<string, Role>>>;
    /** Of people none of whose claims the map names; null refuses them. */
    default_role: Exclude<Role, 'owner'> | null;
    /** Empty: any. */
    email_domains: string[];
    enabled: Generated<boolean>;
    created_by: string;
    created_at: Created;
    updated_at: Created;
  };
  /** Sign-ins under way; each is used once. */
  sso_states: {
    state_hash: string;
    provider_id: string;
    browser_hash: string;
    nonce: string;
    verifier: string;
    redirect_uri: string;
    return_to: string | null;
    expires_at: Date;
  };
  /** Who a provider's subject is here. */
  user_identities: {
    provider_id: string;
    subject: string;
    tenant_id: string;
    user_id: string;
    email: string;
    created_at: Created;
    last_sign_in_at: Created;
  };
}
