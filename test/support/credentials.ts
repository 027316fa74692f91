import { createHmac, randomBytes } from 'node:crypto';
import { SignJWT } from 'jose';
import type { Auth, Capability } from '../../api/actor.js';
import { createTokenSigner } from '../../api/services/access-tokens.js';
import { roleCapabilities, tokenCapabilities } from '../../api/services/roles.js';
import { keyScopes, roleScopes, scopeCapabilities } from '../../api/services/scopes.js';
import type { Database } from '../../db/client.js';
import { deriveKey, sha256Hex } from '../../db/crypto.js';
import { derivedId, newId, newSeed } from '../../db/ids.js';
import type { Role } from '../../db/tables.js';
import { ADMIN_TOKEN, MASTER_KEY, type Person, type TestApi } from './api.js';
import { mintEmbed, mintOrg, tenantOf } from './minted.js';

/** A credential as a caller sends it, with what the rules say it is worth. */
export interface Credential {
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Routes it opens at all; a credential that is none opens nothing. */
  readonly opens: ReadonlySet<Auth>;
  /** Where its workspace or organisation is not the one asked for: what the guards answer for `workspace` rows. */
  readonly isForeign?: boolean;
  readonly may: ReadonlySet<Capability>;
  readonly scopes: ReadonlySet<string>;
  readonly role: Role | null;
}

const nothing = { opens: new Set<Auth>(), may: new Set<Capability>(), scopes: new Set<string>(), role: null } as const;
const bearer = (token: string): Readonly<Record<string, string>> => ({ authorization: `Bearer ${token}` });
const bad = (name: string, headers: Readonly<Record<string, string>>): Credential => ({ name, headers, ...nothing });

interface Stage {
  readonly api: TestApi;
  readonly owner: Person;
  readonly stranger: Person;
}

/** Every kind of credential, good and bad, around the owner's workspace. */
export async function everyCredential(stage: Stage): Promise<readonly Credential[]> {
  return [
    ...(await forgeries(stage)),
    ...(await tokens(stage)),
    ...(await keys(stage)),
    ...(await people(stage)),
    ...(await serviceAccounts(stage)),
  ];
}

const masterKey = Buffer.from(MASTER_KEY, 'hex');
const signer = createTokenSigner(masterKey);

/** An access token like ours but for what `change` does to it. */
function forge(
  person: Person,
  { issuer = 'keelson', exp = '30m', type = 'access' }: { issuer?: string; exp?: string; type?: string } = {},
): Promise<string> {
  return new SignJWT({ sid: 'ses_none', type })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT', kid: signer.keyId })
    .setSubject(`user:${person.userId}`)
    .setJti('jwt_forged')
    .setIssuer(issuer)
    .setAudience('keelson-api')
    .setIssuedAt(exp.startsWith('-') ? Math.floor(Date.now() / 1_000) - 7_200 : undefined)
    .setExpirationTime(exp)
    .sign(deriveKey(masterKey, 'jwt'));
}

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

async function forgeries({ api, owner }: Stage): Promise<readonly Credential[]> {
  const [, payload = ''] = owner.token.split('.');
  const unsigned = `${part({ alg: 'none', typ: 'JWT', kid: signer.keyId })}.${payload}.`;
  const foreign = `${part({ alg: 'HS256', typ: 'JWT', kid: signer.keyId })}.${payload}`;
  const signature = createHmac('sha256', 'a key of somebody else').update(foreign).digest('base64url');
  const left = await api.signUp();
  await left.call('POST', '/v1/auth/logout');
  const disabled = await api.signUp();
  await api.db.updateTable('users').set({ disabled_at: new Date() }).where('id', '=', disabled.userId).execute();
  const session = await api.db
    .selectFrom('sessions')
    .select('id')
    .where('user_id', '=', owner.userId)
    .executeTakeFirstOrThrow();
  const refresh = signer.issueRefresh(session.id);
  return [
    bad('nothing', {}),
    bad('an empty bearer', { authorization: 'Bearer' }),
    bad('another scheme', { authorization: 'Basic YTpi' }),
    bad('a token of nobody', bearer(randomBytes(32).toString('base64url'))),
    bad('an API key of nobody', { 'x-api-key': `as_live_${'a'.repeat(32)}` }),
    bad('a JWT without a signature', bearer(unsigned)),
    bad('a JWT of a foreign key', bearer(`${foreign}.${signature}`)),
    bad('a JWT of a foreign issuer', bearer(await forge(owner, { issuer: 'somebody' }))),
    bad('an expired JWT', bearer(await forge(owner, { exp: '-1h' }))),
    bad('a JWT of another use', bearer(await forge(owner, { type: 'refresh' }))),
    bad('a JWT of a session that never was', bearer(await forge(owner))),
    bad('a refresh token', bearer(refresh)),
    bad('the JWT of an ended session', bearer(left.token)),
    bad('the JWT of a disabled user', bearer(disabled.token)),
  ];
}

async function people({ api, owner, stranger }: Stage): Promise<readonly Credential[]> {
  const opens = new Set<Auth>(['user', 'member', 'workspace', 'tenant', 'admin']);
  const member = async (role: Role): Promise<Credential> => {
    const person = await api.signUp();
    await joins(api.db, { person, owner, role });
    return {
      name: `a member with the role ${role}`,
      headers: bearer(person.token),
      opens: new Set([...opens].filter((auth) => auth !== 'admin')),
      may: roleCapabilities[role],
      ...asGuest(role),
    };
  };
  return [
    {
      name: 'a stranger',
      headers: bearer(stranger.token),
      opens: new Set([...opens].filter((auth) => auth !== 'admin')),
      isForeign: true,
      may: roleCapabilities.owner,
      scopes: roleScopes.owner,
      role: 'owner',
    },
    await member('viewer'),
    await member('editor'),
    await member('developer'),
  ];
}

/** Who is a member of single workspaces alone counts as an editor of the organisation at most. */
const asGuest = (role: Role): Pick<Credential, 'role' | 'scopes'> => {
  const counted = role === 'viewer' ? 'viewer' : 'editor';
  return { role: counted, scopes: roleScopes[counted] };
};

/** Their session's workspace becomes the owner's. */
async function joins(
  db: Database,
  { person, owner, role }: { readonly person: Person; readonly owner: Person; readonly role: Role },
): Promise<void> {
  const workspace_id = owner.workspace.id;
  await db.insertInto('memberships').values({ user_id: person.userId, workspace_id, role }).execute();
  await db.updateTable('sessions').set({ workspace_id }).where('user_id', '=', person.userId).execute();
}

async function tokens({ api, owner, stranger }: Stage): Promise<readonly Credential[]> {
  const mint = async (person: Person, revoked = false): Promise<string> => {
    const token = randomBytes(32).toString('base64url');
    const kept = { token_hash: sha256Hex(token), prefix: token.slice(0, 8), created_by: person.userId };
    const revoked_at = revoked ? new Date() : null;
    const row = { id: newId('wst'), workspace_id: person.workspace.id, last_used_at: null, revoked_at, ...kept };
    await api.db.insertInto('workspace_tokens').values(row).execute();
    return token;
  };
  const ofWorkspace = { opens: new Set<Auth>(['user', 'member', 'workspace']), may: tokenCapabilities };
  const ofOrganisation = { opens: new Set<Auth>(['user', 'workspace', 'admin']), may: roleCapabilities.admin };
  return [
    { ...nothing, name: 'a workspace token', headers: bearer(await mint(owner)), ...ofWorkspace },
    {
      ...nothing,
      name: 'a foreign workspace token',
      headers: bearer(await mint(stranger)),
      ...ofWorkspace,
      isForeign: true,
    },
    bad('a revoked workspace token', bearer(await mint(owner, true))),
    { ...nothing, name: "the organisation's token", headers: bearer(await mintOrg(api.db, owner)), ...ofOrganisation },
    {
      ...nothing,
      name: "another organisation's token",
      headers: bearer(await mintOrg(api.db, stranger)),
      ...ofOrganisation,
      isForeign: true,
    },
    bad("a revoked organisation's token", bearer(await mintOrg(api.db, owner, true))),
    {
      ...nothing,
      name: 'an embed token',
      headers: bearer(await mintEmbed(api.db, owner)),
      opens: new Set<Auth>(['embed']),
    },
    bad('a revoked embed token', bearer(await mintEmbed(api.db, owner, true))),
    {
      ...nothing,
      name: 'ADMIN_TOKEN',
      headers: bearer(ADMIN_TOKEN),
      opens: new Set<Auth>(['user', 'workspace', 'tenant', 'admin']),
      may: roleCapabilities.owner,
      scopes: new Set(['*']),
      role: 'owner',
    },
  ];
}

async function keys({ api, owner, stranger }: Stage): Promise<readonly Credential[]> {
  const opens = new Set<Auth>(['user', 'member', 'workspace', 'tenant']);
  const mint = async (person: Person, scopes: readonly string[], revoked = false): Promise<string> => {
    const key = `as_live_${randomBytes(24).toString('base64url')}`;
    await api.db
      .insertInto('api_keys')
      .values({
        id: derivedId('key', newSeed()),
        tenant_id: await tenantOf(api.db, person),
        workspace_id: person.workspace.id,
        name: key.slice(-8),
        environment: 'live',
        key_hash: sha256Hex(key),
        prefix: key.slice(0, 12),
        scopes: [...scopes],
        rate_limit: 1_000_000,
        created_by: person.userId,
        last_used_at: null,
        revoked_at: revoked ? new Date() : null,
      })
      .execute();
    return key;
  };
  const worth = (scopes: readonly string[]) => ({
    opens,
    may: scopeCapabilities(scopes),
    scopes: new Set(scopes),
    role: null,
  });
  const weak = ['calls:read'];
  return [
    { name: 'a key with every scope', headers: { 'x-api-key': await mint(owner, keyScopes) }, ...worth(keyScopes) },
    { name: 'a key as bearer', headers: bearer(await mint(owner, keyScopes)), ...worth(keyScopes) },
    { name: 'a key with one scope', headers: { 'x-api-key': await mint(owner, weak) }, ...worth(weak) },
    {
      name: "a stranger's key",
      headers: { 'x-api-key': await mint(stranger, keyScopes) },
      ...worth(keyScopes),
      isForeign: true,
    },
    bad('a revoked key', { 'x-api-key': await mint(owner, keyScopes, true) }),
  ];
}

/** A service account's tokens: alive, revoked, and the long-lived one that only buys access tokens. */
async function serviceAccounts({ api, owner }: Stage): Promise<readonly Credential[]> {
  const tenantId = await tenantOf(api.db, owner);
  const scopes = ['conversations:read'];
  const issue = async (use: 'access' | 'refresh', revoked = false): Promise<string> => {
    const jti = newId('jwt');
    const issuedAt = new Date();
    const expiresAt = new Date(issuedAt.getTime() + 3_600_000);
    await api.db
      .insertInto('service_account_tokens')
      .values({
        jti,
        account: 'analytics-batch',
        tenant_id: tenantId,
        scopes,
        fingerprint: null,
        signing_kid: signer.keyId,
        token_sealed: 'sealed',
        issued_by: 'test',
        issued_at: issuedAt,
        expires_at: expiresAt,
        revoked_at: revoked ? new Date() : null,
        revoked_reason: null,
      })
      .execute();
    return signer.signServiceAccount(use, { account: 'analytics-batch', jti, tenantId, scopes, issuedAt, expiresAt });
  };
  return [
    {
      ...nothing,
      name: 'a service account',
      headers: bearer(await issue('access')),
      opens: new Set<Auth>(['tenant']),
      scopes: new Set(scopes),
    },
    bad('a revoked service account', bearer(await issue('access', true))),
    bad("a service account's refresh token", bearer(await issue('refresh'))),
  ];
}
