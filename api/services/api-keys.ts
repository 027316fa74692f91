import { randomBytes } from 'node:crypto';
import {
  insertApiKey,
  listApiKeys,
  revokeApiKey,
  updateApiKey,
  type ApiKeyRow,
  type KeyOwner,
} from '../../db/api-keys.js';
import type { Database } from '../../db/client.js';
import { sha256Hex } from '../../db/crypto.js';
import { newId } from '../../db/ids.js';
import type { Actor } from '../actor.js';
import { ApiError, conflict, forbidden, invalid, notFound } from '../http/errors.js';
import type { Page } from '../http/schemas.js';
import { actingWorkspace } from './acting-workspace.js';
import { grantableScopes, keyScopes } from './scopes.js';

const MAX_LIVE_KEYS = 100;
/** `as_live_` and four more: enough to tell keys apart. */
const PREFIX_LENGTH = 12;

export interface NewKey {
  readonly name: string;
  readonly environment: 'live' | 'test';
  readonly scopes?: readonly string[] | undefined;
  readonly rate_limit?: number | null | undefined;
}

export interface KeyPatch {
  readonly name?: string | undefined;
  readonly scopes?: readonly string[] | undefined;
  readonly rate_limit?: number | null | undefined;
}

/** The only time the key is seen. */
export type MintedKey = ApiKeyRow & { readonly key: string };

/** Keys belong to the workspace their maker acts in; a maker sees their own, who may read its tokens sees all. */
export interface ApiKeyService {
  readonly create: (actor: Actor, key: NewKey) => Promise<MintedKey>;
  readonly list: (
    actor: Actor,
    page: Page,
  ) => Promise<Page & { readonly items: readonly ApiKeyRow[]; readonly total: number }>;
  readonly update: (actor: Actor, id: string, patch: KeyPatch) => Promise<ApiKeyRow>;
  readonly revoke: (actor: Actor, id: string) => Promise<void>;
}

export const createApiKeyService = ({ db }: { readonly db: Database }): ApiKeyService => ({
  create: (actor, key) => create(db, actor, key),
  list: async (actor, page) => ({ ...(await listApiKeys(db, ownerOf(actor), page)), ...page }),
  update: async (actor, id, { rate_limit: rateLimit, ...patch }) => {
    const scopes = patch.scopes === undefined ? undefined : checkedScopes(actor, patch.scopes);
    const row = await updateApiKey(db, ownerOf(actor), { ...patch, id, scopes, rateLimit });
    if (row === undefined) throw notFound('live API key', id);
    return row;
  },
  revoke: async (actor, id) => {
    if (!(await revokeApiKey(db, ownerOf(actor), id))) throw notFound('live API key', id);
  },
});

function ownerOf(actor: Actor): KeyOwner {
  if (actor.type !== 'user') throw forbidden('API keys are managed by people: sign in and send the access token.');
  const workspaceId = actingWorkspace(actor);
  return { workspaceId, createdBy: actor.capabilities.has('token.read') ? undefined : actor.id };
}

async function create(db: Database, actor: Actor, key: NewKey): Promise<MintedKey> {
  const { workspaceId } = ownerOf(actor);
  const { name, environment } = key;
  const scopes = key.scopes === undefined ? grantableScopes(actor) : checkedScopes(actor, key.scopes);
  const secret = `as_${environment}_${randomBytes(24).toString('base64url')}`;
  const outcome = await insertApiKey(db, {
    id: newId('key'),
    tenantId: actor.tenantId,
    workspaceId,
    name,
    environment,
    hash: sha256Hex(secret),
    prefix: secret.slice(0, PREFIX_LENGTH),
    scopes,
    rateLimit: key.rate_limit ?? null,
    createdBy: actor.id,
    atMost: MAX_LIVE_KEYS,
  });
  if (outcome === 'missing') throw notFound('workspace', workspaceId);
  if (outcome === 'taken') throw conflict(`name: a live key is called "${name}"; choose another, or revoke that one.`);
  if (outcome === 'full') {
    throw new ApiError(
      429,
      `This workspace has ${MAX_LIVE_KEYS} live API keys, the most it may have: revoke one first.`,
    );
  }
  return { ...outcome, key: secret };
}

/** A key may what its maker may, or less. */
function checkedScopes(actor: Actor, asked: readonly string[]): readonly string[] {
  const known: readonly string[] = keyScopes;
  const held = grantableScopes(actor);
  const details = asked.flatMap((scope, i) => {
    const field = `scopes.${i}`;
    if (!known.includes(scope)) return [{ field, message: `is none of ${known.join(', ')}` }];
    return held.includes(scope) ? [] : [{ field, message: `you may not do all that ${scope} allows` }];
  });
  if (details.length > 0) throw invalid(details);
  return [...new Set(asked)];
}
