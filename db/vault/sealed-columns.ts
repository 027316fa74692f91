import { PLATFORM_SCOPE, type SecretRef } from './vault.js';

/** A secret of a workspace. */
export const workspaceSecret = (secret: { readonly workspaceId: string; readonly name: string }): SecretRef => ({
  scope: secret.workspaceId,
  name: secret.name,
});

/** The TOTP secret of a person, who may be a member of several organisations. */
export const totpSecret = ({ userId }: { readonly userId: string }): SecretRef => ({
  scope: PLATFORM_SCOPE,
  name: `totp/${userId}`,
});

/** A service account's token, kept to be issued again. */
export const serviceAccountToken = (token: { readonly jti: string; readonly tenantId: string | null }): SecretRef => ({
  scope: token.tenantId ?? PLATFORM_SCOPE,
  name: `service-account/${token.jti}`,
});

/** What an organisation's identity provider knows us by. */
export const ssoSecret = (provider: { readonly tenantId: string; readonly id: string }): SecretRef => ({
  scope: provider.tenantId,
  name: `sso/${provider.id}`,
});

/** What an endpoint's webhooks are signed with. */
export const webhookSecret = (endpoint: { readonly tenantId: string; readonly id: string }): SecretRef => ({
  scope: endpoint.tenantId,
  name: `webhook/${endpoint.id}`,
});

/** What they were signed with before, until the overlap is over. */
export const previousWebhookSecret = (endpoint: { readonly tenantId: string; readonly id: string }): SecretRef => ({
  scope: endpoint.tenantId,
  name: `webhook-previous/${endpoint.id}`,
});

/** What a source of webhooks signs with, now or before a rotation. */
export const ingressSecret = (source: { readonly workspaceId: string; readonly id: string }): SecretRef => ({
  scope: source.workspaceId,
  name: `ingress/${source.id}`,
});

type Row = Readonly<Record<string, string | null>>;

export interface SealedColumn {
  readonly table: string;
  readonly column: string;
  /** The columns of its primary key. */
  readonly key: readonly [string, ...string[]];
  /** What else `refOf` reads. */
  readonly reads: readonly string[];
  readonly refOf: (row: Row) => SecretRef;
}

/** Every column that the vault seals: rotation goes through all of them, so a new one must stand here. */
export const sealedColumns: readonly SealedColumn[] = [
  {
    table: 'secrets',
    column: 'ciphertext',
    key: ['workspace_id', 'name'],
    reads: [],
    refOf: (row) => workspaceSecret({ workspaceId: textOf(row, 'workspace_id'), name: textOf(row, 'name') }),
  },
  {
    table: 'users',
    column: 'totp_sealed',
    key: ['id'],
    reads: [],
    refOf: (row) => totpSecret({ userId: textOf(row, 'id') }),
  },
  {
    table: 'service_account_tokens',
    column: 'token_sealed',
    key: ['jti'],
    reads: ['tenant_id'],
    refOf: (row) => serviceAccountToken({ jti: textOf(row, 'jti'), tenantId: row['tenant_id'] ?? null }),
  },
  {
    table: 'sso_providers',
    column: 'client_secret_sealed',
    key: ['id'],
    reads: ['tenant_id'],
    refOf: (row) => ssoSecret({ tenantId: textOf(row, 'tenant_id'), id: textOf(row, 'id') }),
  },
  {
    table: 'webhook_endpoints',
    column: 'secret_sealed',
    key: ['id'],
    reads: ['tenant_id'],
    refOf: (row) => webhookSecret({ tenantId: textOf(row, 'tenant_id'), id: textOf(row, 'id') }),
  },
  {
    table: 'webhook_endpoints',
    column: 'previous_secret_sealed',
    key: ['id'],
    reads: ['tenant_id'],
    refOf: (row) => previousWebhookSecret({ tenantId: textOf(row, 'tenant_id'), id: textOf(row, 'id') }),
  },
  ...(['secret_sealed', 'previous_secret_sealed'] as const).map((column): SealedColumn => ({
    table: 'ingress_sources',
    column,
    key: ['id'],
    reads: ['workspace_id'],
    refOf: (row) => ingressSecret({ workspaceId: textOf(row, 'workspace_id'), id: textOf(row, 'id') }),
  })),
];

const textOf = (row: Row, column: string): string => row[column] ?? '';
