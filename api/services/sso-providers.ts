import type { Database } from '../../db/client.js';
import { ssoSecret } from '../../db/vault/sealed-columns.js';
import type { Vault } from '../../db/vault/vault.js';
import { newId } from '../../db/ids.js';
import {
  deleteProvider,
  findProvider,
  insertProvider,
  listProviders,
  updateProvider,
  type ProviderRef,
  type ProviderRow,
  type ProviderValues,
} from '../../db/sso-providers.js';
import type { Role } from '../../db/tables.js';
import type { Actor } from '../actor.js';
import { conflict, forbidden, invalid, notFound } from '../http/errors.js';

const MAX_PROVIDERS = 20;

export type NewSsoProvider = ProviderValues & { readonly client_secret: string };
export type SsoProviderChange = { readonly [K in keyof NewSsoProvider]?: NewSsoProvider[K] | undefined };

/** An organisation's identity providers; their secrets go in and never come out. */
export interface SsoProviderService {
  readonly list: (actor: Actor) => Promise<readonly ProviderRow[]>;
  readonly create: (actor: Actor, provider: NewSsoProvider) => Promise<ProviderRow>;
  readonly change: (actor: Actor, id: string, change: SsoProviderChange) => Promise<ProviderRow>;
  readonly remove: (actor: Actor, id: string) => Promise<void>;
}

export interface SsoProviderDeps {
  readonly db: Database;
  readonly vault: Pick<Vault, 'seal'>;
  /** Why an address may not be called, or null. */
  readonly urlProblem: (url: string) => string | null;
}

export const createSsoProviderService = (deps: SsoProviderDeps): SsoProviderService => ({
  list: ({ tenantId }) => listProviders(deps.db, tenantId),
  create: (actor, provider) => create(deps, actor, provider),
  change: async (actor, id, given) => change(deps, actor, { ref: { tenantId: actor.tenantId, id }, given }),
  remove: async ({ tenantId }, id) => {
    if (!(await deleteProvider(deps.db, { tenantId, id }))) throw notFound('provider', id);
  },
});

async function create(
  { db, vault, urlProblem }: SsoProviderDeps,
  actor: Actor,
  { client_secret: secret, ...values }: NewSsoProvider,
): Promise<ProviderRow> {
  checkIssuer(values.issuer, urlProblem);
  checkOwners(actor, values.role_map);
  const ref = { tenantId: actor.tenantId, id: newId('idp') };
  const sealedSecret = await vault.seal(ssoSecret(ref), secret);
  const made = await insertProvider(db, { ...values, ref, sealedSecret, createdBy: actor.id, atMost: MAX_PROVIDERS });
  if (made === 'missing') throw notFound('organisation', actor.tenantId);
  if (made === 'full') throw conflict(`The organisation has ${MAX_PROVIDERS} providers, the most it may have.`);
  if (made === 'taken') throw conflict(`slug: "${values.slug}" is taken; choose another.`);
  return made;
}

async function change(
  { db, vault, urlProblem }: SsoProviderDeps,
  actor: Actor,
  { ref, given }: { readonly ref: ProviderRef; readonly given: SsoProviderChange },
): Promise<ProviderRow> {
  const before = await findProvider(db, ref);
  if (before === undefined) throw notFound('provider', ref.id);
  checkOwners(actor, before.role_map);
  checkOwners(actor, given.role_map ?? {});
  const { client_secret: secret, ...values } = given;
  if (values.issuer !== undefined && values.issuer !== before.issuer) {
    checkIssuer(values.issuer, urlProblem);
    // else whoever names an issuer of their own is sent a secret they may not read
    if (secret === undefined) throw invalid([{ field: 'client_secret', message: 'must be given with a new issuer' }]);
  }
  const changed = await updateProvider(db, ref, {
    ...withoutAbsent(values),
    ...(secret === undefined ? {} : { sealedSecret: await vault.seal(ssoSecret(ref), secret) }),
  });
  if (changed === undefined) throw notFound('provider', ref.id);
  return changed;
}

function withoutAbsent(values: Omit<SsoProviderChange, 'client_secret'>): Partial<ProviderValues> {
  // -- reason: what is left has values
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as Partial<ProviderValues>;
}

const loopback = /^https?:\/\/(localhost|127(\.\d+){3}|\[::1\])(:\d+)?(\/|$)/;

function checkIssuer(issuer: string, urlProblem: SsoProviderDeps['urlProblem']): void {
  const isPlain = issuer.startsWith('http:') && !loopback.test(issuer);
  const message = isPlain ? 'must begin with https://' : urlProblem(issuer);
  if (message !== null) throw invalid([{ field: 'issuer', message }]);
}

/** Who is no owner makes no owner, neither by a map nor by changing whom a map is applied to. */
function checkOwners(actor: Actor, map: Readonly<Record<string, Role>>): void {
  if (actor.role === 'owner' || !Object.values(map).includes('owner')) return;
  throw forbidden('role_map: only an owner of the organisation may map a claim to the role "owner".');
}
