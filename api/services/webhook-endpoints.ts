import type { Database } from '../../db/client.js';
import type { EgressRule } from '../../db/egress.js';
import { newId } from '../../db/ids.js';
import type { Vault } from '../../db/vault/vault.js';
import {
  changeEndpoint,
  deleteEndpoint,
  findEndpoint,
  insertEndpoint,
  isTenantAdmin,
  listEndpoints,
  replaceSecret,
  type EndpointChange,
  type EndpointRow,
} from '../../db/webhook-endpoints.js';
import type { Actor } from '../actor.js';
import { conflict, forbidden, invalid, notFound } from '../http/errors.js';
import type { Page } from '../http/schemas.js';
import type { UrlRulesOf } from './egress-lists.js';
import { checkWebhook, type WebhookInput } from './webhook-input.js';
import { makeSecret, nextSecret } from './webhook-secrets.js';

export interface NewWebhook extends WebhookInput {
  readonly url: string;
  readonly description: string;
  readonly event_types: readonly string[];
  readonly definition_ids: readonly string[];
  readonly include_children: boolean;
  readonly include_tests: boolean;
  readonly timeout_seconds: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly all_workspaces: boolean;
}

export interface EndpointView extends Omit<EndpointRow, 'secret_sealed' | 'previous_secret_sealed'> {
  readonly all_workspaces: boolean;
  readonly previous_secret_expires_at: Date | null;
}

/** `secret` is shown this once. */
export type MintedEndpoint = EndpointView & { readonly secret: string };

export interface WebhookEndpointService {
  readonly list: (
    actor: Actor,
    page: Page,
  ) => Promise<Page & { readonly items: readonly EndpointView[]; readonly total: number }>;
  readonly get: (actor: Actor, id: string) => Promise<EndpointView>;
  readonly create: (actor: Actor, input: NewWebhook) => Promise<MintedEndpoint>;
  readonly update: (actor: Actor, id: string, change: EndpointChange) => Promise<EndpointView>;
  readonly remove: (actor: Actor, id: string) => Promise<void>;
  readonly rotateSecret: (actor: Actor, id: string, overlapSeconds: number) => Promise<MintedEndpoint>;
}

export interface WebhookEndpointDeps {
  readonly db: Database;
  readonly vault: Vault;
  readonly urlRules: UrlRulesOf;
  readonly egressAllow: readonly EgressRule[];
}

export const MOST_ENDPOINTS = 50;

export const createWebhookEndpointService = (deps: WebhookEndpointDeps): WebhookEndpointService => ({
  list: async (actor, page) => {
    const { items, total } = await listEndpoints(deps.db, actor, page);
    return { items: items.map(viewOf), total, ...page };
  },
  get: async (actor, id) => viewOf(await existing(deps.db, actor, id)),
  create: (actor, input) => create(deps, actor, input),
  update: (actor, id, change) => update(deps, { actor, id, change }),
  remove: async (actor, id) => {
    const row = await changeable(deps.db, actor, id);
    if (row.source === 'tenant_settings') throw conflict(followsSettings);
    await deleteEndpoint(deps.db, row.id);
  },
  rotateSecret: async (actor, id, overlapSeconds) => {
    const row = await changeable(deps.db, actor, id);
    const { secret, ...next } = await nextSecret(deps.vault, row, overlapSeconds);
    return { ...viewOf(orGone(await replaceSecret(deps.db, row.id, next), id)), secret };
  },
});

const followsSettings =
  'This endpoint follows settings.webhook_url of the organisation: change or remove it with PATCH /api/v1/tenants/me.';

const orGone = (row: EndpointRow | undefined, id: string): EndpointRow => {
  if (row === undefined) throw notFound('webhook endpoint', id);
  return row;
};

export const existing = async (db: Database, actor: Actor, id: string): Promise<EndpointRow> =>
  orGone(await findEndpoint(db, actor, id), id);

/** One of the whole organisation is changed by its administrators alone. */
async function changeable(db: Database, actor: Actor, id: string): Promise<EndpointRow> {
  const row = await existing(db, actor, id);
  if (row.workspace_id === null) await checkAdmin(db, actor);
  return row;
}

async function checkAdmin(db: Database, { type, id: userId, tenantId }: Actor): Promise<void> {
  const isAdmin = type === 'org_token' || (type === 'user' && (await isTenantAdmin(db, { tenantId, userId })));
  if (isAdmin) return;
  throw forbidden(
    'An endpoint of all workspaces belongs to the organisation: only its owners and administrators may make or change one.',
  );
}

async function create(deps: WebhookEndpointDeps, actor: Actor, input: NewWebhook): Promise<MintedEndpoint> {
  const { tenantId, workspaceId: actingIn } = actor;
  if (input.all_workspaces) await checkAdmin(deps.db, actor);
  const workspaceId = input.all_workspaces ? null : actingIn;
  await checkWebhook(deps, { tenantId, actingIn, workspaceId }, input);
  const id = newId('whe');
  const { secret, sealed: secretSealed } = await makeSecret(deps.vault, { tenantId, id });
  const made = await insertEndpoint(
    deps.db,
    {
      ...{ id, tenantId, workspaceId, secretSealed, source: 'api', createdBy: actor.id },
      url: input.url,
      description: input.description,
      eventTypes: unique(input.event_types),
      definitionIds: unique(input.definition_ids),
      includeChildren: input.include_children,
      includeTests: input.include_tests,
      timeoutSeconds: input.timeout_seconds,
      headers: input.headers,
    },
    MOST_ENDPOINTS,
  );
  if (made === undefined) throw conflict(`The organisation has ${MOST_ENDPOINTS} webhook endpoints: delete one first.`);
  return { ...viewOf(made), secret };
}

const unique = (names: readonly string[]): readonly string[] => [...new Set(names)];

async function update(
  deps: WebhookEndpointDeps,
  { actor, id, change }: { readonly actor: Actor; readonly id: string; readonly change: EndpointChange },
): Promise<EndpointView> {
  const row = await changeable(deps.db, actor, id);
  if (row.source === 'tenant_settings' && change.url !== undefined) {
    throw invalid([{ field: 'url', message: followsSettings }]);
  }
  const owner = { tenantId: row.tenant_id, actingIn: actor.workspaceId, workspaceId: row.workspace_id };
  await checkWebhook(deps, owner, change);
  return viewOf(orGone(await changeEndpoint(deps.db, row.id, change), id));
}

export function viewOf(row: EndpointRow): EndpointView {
  const { secret_sealed: _secret, previous_secret_sealed: _previous, ...shown } = row;
  const until = row.previous_expires_at;
  const isOverlapping = until !== null && until.getTime() > Date.now();
  return {
    ...shown,
    all_workspaces: row.workspace_id === null,
    previous_secret_expires_at: isOverlapping ? until : null,
  };
}
