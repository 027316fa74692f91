import type { Database } from '../../db/client.js';
import { findTenantBySlug, changeTenant } from '../../db/tenants.js';
import { slugOf } from '../../db/workspaces.js';
import { conflict, invalid } from '../http/errors.js';
import { admit } from './admission.js';
import { createTenantAccount, normaliseEmail, tenantSlug, type Account } from './accounts.js';
import type { AuditService } from './audit.js';
import type { AuthService } from './auth.js';
import { passwordProblem } from './passwords.js';
import { record, type Client, type SignedIn } from './sessions.js';
import type { SignupMode } from './signup-policy.js';
import { addressKey, DAY, holdToLimits, HOUR, limitKey, type Limit } from './special-limits.js';

/** `platform` is the slug of the installation's own organisation; `workspace` is what a name without letters becomes. */
const notOwnSlugs: readonly string[] = ['platform'];
const NO_SLUG = 'workspace';

export interface Registration {
  readonly email: string;
  readonly password: string;
  readonly tenant_name: string;
  readonly display_name?: string | null | undefined;
  /** Wishes for whoever sets up the billing: a plan is not chosen by asking for it. */
  readonly plan_code?: string | null | undefined;
  readonly trial_days?: number | null | undefined;
  readonly invite_token?: string | null | undefined;
}

export type Registered = SignedIn & { readonly tenant_slug: string };

export interface RegistrationService {
  /** A person with an organisation of their own, signed in. */
  readonly register: (given: Registration, client: Client) => Promise<Registered>;
}

export interface RegistrationDeps {
  readonly db: Database;
  readonly signup: SignupMode;
  readonly audit: AuditService;
  readonly auth: Pick<AuthService, 'openSession'>;
  /** Mails a link that proves the address, behind the answer. */
  readonly sendVerification?: ((user: { readonly id: string; readonly email: string }) => void) | undefined;
}

export const createRegistrationService = (deps: RegistrationDeps): RegistrationService => ({
  register: async (given, client) => {
    const email = normaliseEmail(given.email);
    await holdToLimits(deps.db, limitsOfNetwork(client.ip));
    // told before anything is counted for the address: three tries at a good password are not three registrations
    const problem = await passwordProblem(given.password, email, 'strict');
    if (problem !== null) throw invalid([{ field: 'password', message: problem }]);
    const made = await makeAccount(deps, { ...given, email });
    const { account, slug } = made;
    const signedIn = await deps.auth.openSession(email, client);
    const workspaceId = signedIn.workspace?.id ?? null;
    await record(deps, client, { action: 'auth.register', userId: account.id, workspaceId });
    deps.sendVerification?.({ id: account.id, email });
    return { ...signedIn, tenant_slug: slug };
  },
});

/** The limits of an address and a domain are taken only of who is let in, so that a stranger cannot use up others'. */
function makeAccount(
  { db, signup }: RegistrationDeps,
  given: Registration,
): Promise<{ readonly account: Account; readonly slug: string }> {
  const { email, password, display_name: name } = given;
  const tenant = { name: given.tenant_name.trim(), slug: slugFor(given.tenant_name) };
  return admit({ db, signup }, { email, token: given.invite_token ?? undefined }, async (redeem) => {
    await checkSlug(db, tenant.slug);
    await holdToLimits(db, limitsOfAddress(email));
    const person = { email, password, name: name?.trim() || (email.split('@')[0] ?? email), tenant };
    const account = await createTenantAccount(db, person, async (trx, { tenant_id: tenantId }) => {
      await redeem(trx);
      await keepWishes(trx, tenantId, given);
    });
    return { account, slug: tenant.slug };
  });
}

function slugFor(name: string): string {
  const slug = slugOf(name);
  return slug === NO_SLUG ? tenantSlug(name) : slug;
}

async function checkSlug(db: Database, slug: string): Promise<void> {
  if (notOwnSlugs.includes(slug) || (await findTenantBySlug(db, slug)) !== undefined) {
    throw conflict(`tenant_name: the organisation "${slug}" exists; choose another name, or ask it for an invitation.`);
  }
}

async function keepWishes(trx: Database, tenantId: string, { plan_code, trial_days }: Registration): Promise<void> {
  const wished = { plan_code: plan_code ?? null, trial_days: trial_days ?? null };
  if (wished.plan_code === null && wished.trial_days === null) return;
  await changeTenant(trx, tenantId, ({ settings }) => ({ settings: { ...settings, wished } }));
}

function limitsOfNetwork(ip: string): readonly Limit[] {
  const message = 'Too many registrations from your network.';
  return [
    { key: addressKey('register/hour', ip), points: 20, seconds: HOUR, message },
    { key: addressKey('register/day', ip), points: 100, seconds: DAY, message },
  ];
}

function limitsOfAddress(email: string): readonly Limit[] {
  return [
    {
      key: limitKey('register/email', email),
      points: 3,
      seconds: DAY,
      message: 'Too many registrations with this e-mail address.',
    },
    {
      key: limitKey('register/domain', email.split('@').at(-1) ?? ''),
      points: 20,
      seconds: DAY,
      message: 'Too many registrations with addresses of this domain.',
    },
  ];
}
