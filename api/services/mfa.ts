import type { Database } from '../../db/client.js';
import type { LoginGuards } from '../../db/login-guards.js';
import {
  countRecoveryCodes,
  disableFactor,
  enableFactor,
  findFactor,
  hasProvedIn,
  isFactorRequired,
  keepEnrolment,
  markSession,
  replaceRecoveryCodes,
  takeRecoveryCode,
  takeStep,
  type Factor,
} from '../../db/second-factor.js';
import type { Actor } from '../actor.js';
import { conflict, forbidden, invalid, notFound } from '../http/errors.js';
import { normaliseEmail } from './accounts.js';
import type { AuditService } from './audit.js';
import { record, type Client } from './sessions.js';
import { lockedOut, settleGuess, type ProveFactor } from './sign-in.js';
import { newRecoveryCodes, newTotpSecret, otpauthUrl, recoveryCodeHash, stepOfCode } from './totp.js';

export interface FactorStatus {
  readonly mfa_enabled: boolean;
  /** An organisation of the user asks for one always. */
  readonly mfa_required: boolean;
  /** Proved in this session. */
  readonly proved: boolean;
  readonly recovery_codes_left: number;
}

export interface CodeGiven {
  readonly actor: Actor;
  readonly code: string;
  readonly client: Client;
}

export interface NewCodes {
  readonly mfa_enabled: true;
  /** The only time they are seen. */
  readonly recovery_codes: readonly string[];
}

/** A person's second factor: a TOTP secret and ten recovery codes. Every wrong code counts like a wrong password. */
export interface MfaService {
  readonly proveFactor: ProveFactor;
  readonly status: (actor: Actor) => Promise<FactorStatus>;
  readonly enroll: (actor: Actor) => Promise<{ readonly secret: string; readonly otpauth_url: string }>;
  /** The first right code turns the factor on. */
  readonly verify: (given: CodeGiven) => Promise<NewCodes>;
  readonly stepUp: (given: CodeGiven) => Promise<{ readonly mfa_enabled: true; readonly mfa_at: Date }>;
  readonly renewCodes: (given: CodeGiven) => Promise<NewCodes>;
  readonly disable: (given: CodeGiven) => Promise<{ readonly mfa_enabled: false }>;
}

export interface MfaDeps {
  readonly db: Database;
  readonly guards: LoginGuards;
  readonly audit: AuditService;
  /** How TOTP secrets are kept. */
  readonly seal: (userId: string, secret: string) => Promise<string>;
  readonly open: (userId: string, sealed: string) => Promise<string>;
}

export function createMfaService(deps: MfaDeps): MfaService {
  const { db } = deps;
  return {
    proveFactor: (userId, code) => proveFactor(deps, userId, code),
    status: async (actor) => status(db, personOf(actor)),
    enroll: async (actor) => enroll(deps, personOf(actor)),
    verify: (given) => verify(deps, given),
    stepUp: (given) => stepUp(deps, given),
    renewCodes: (given) => renewCodes(deps, given),
    disable: (given) => disable(deps, given),
  };
}

interface Person {
  readonly userId: string;
  readonly sessionId: string;
}

function personOf({ type, id, sessionId }: Actor): Person {
  if (type !== 'user' || sessionId === null) {
    throw forbidden('Second factors belong to people: sign in with an e-mail address and a password.');
  }
  return { userId: id, sessionId };
}

async function proveFactor({ db, open }: MfaDeps, userId: string, code: string): Promise<boolean> {
  const factor = await findFactor(db, userId);
  if (factor?.isEnabled !== true || factor.sealed === null) return false;
  const hash = recoveryCodeHash(userId, code);
  if (hash !== null) return takeRecoveryCode(db, { userId, hash });
  const step = stepOfCode(await open(userId, factor.sealed), code);
  return step !== null && takeStep(db, { userId, step });
}

async function status(db: Database, { userId, sessionId }: Person): Promise<FactorStatus> {
  const [factor, isRequired, proved, left] = await Promise.all([
    findFactor(db, userId),
    isFactorRequired(db, userId),
    hasProvedIn(db, sessionId),
    countRecoveryCodes(db, userId),
  ]);
  return { mfa_enabled: factor?.isEnabled ?? false, mfa_required: isRequired, proved, recovery_codes_left: left };
}

const isOn = () =>
  conflict('Your second factor is on already: turn it off with DELETE /v1/auth/mfa before you enrol another.');
const isOff = () => conflict('You have no second factor: enrol with POST /v1/auth/mfa/enroll first.');

async function enroll(
  { db, seal }: MfaDeps,
  { userId }: Person,
): Promise<{ readonly secret: string; readonly otpauth_url: string }> {
  const factor = await existing(db, userId);
  const secret = newTotpSecret();
  if (!(await keepEnrolment(db, { userId, sealed: await seal(userId, secret) }))) throw isOn();
  return { secret, otpauth_url: otpauthUrl(secret, factor.email) };
}

async function existing(db: Database, userId: string): Promise<Factor> {
  const factor = await findFactor(db, userId);
  if (factor === undefined) throw notFound('user', userId);
  return factor;
}

async function verify(deps: MfaDeps, given: CodeGiven): Promise<NewCodes> {
  const { db, open } = deps;
  const { userId, sessionId } = personOf(given.actor);
  const { email, sealed, isEnabled } = await existing(db, userId);
  if (isEnabled) throw isOn();
  if (sealed === null) throw isOff();
  const codes = newRecoveryCodes();
  const step = stepOfCode(await open(userId, sealed), given.code);
  await guarded(deps, { ...given, email }, () =>
    db.transaction().execute(async (trx) => {
      if (step === null || !(await enableFactor(trx, { userId, sealed, step }))) return false;
      await replaceRecoveryCodes(trx, { userId, hashes: hashesOf(userId, codes) });
      await markSession(trx, { sessionId, userId });
      return true;
    }),
  );
  return { mfa_enabled: true, recovery_codes: codes };
}

const hashesOf = (userId: string, codes: readonly string[]): readonly string[] =>
  codes.flatMap((code) => recoveryCodeHash(userId, code) ?? []);

async function stepUp(deps: MfaDeps, given: CodeGiven): Promise<{ mfa_enabled: true; mfa_at: Date }> {
  await proved(deps, given);
  const session = await markSession(deps.db, personOf(given.actor));
  return { mfa_enabled: true, mfa_at: session?.mfa_at ?? new Date() };
}

async function renewCodes(deps: MfaDeps, given: CodeGiven): Promise<NewCodes> {
  const userId = await proved(deps, given);
  const codes = newRecoveryCodes();
  await deps.db.transaction().execute((trx) => replaceRecoveryCodes(trx, { userId, hashes: hashesOf(userId, codes) }));
  return { mfa_enabled: true, recovery_codes: codes };
}

async function disable(deps: MfaDeps, given: CodeGiven): Promise<{ readonly mfa_enabled: false }> {
  const { db } = deps;
  if (await isFactorRequired(db, personOf(given.actor).userId)) {
    throw conflict('Your organisation asks every member for a second factor, so it cannot be turned off.');
  }
  const userId = await proved(deps, given);
  await db.transaction().execute((trx) => disableFactor(trx, userId));
  return { mfa_enabled: false };
}

/** Whose right code it was. */
async function proved(deps: MfaDeps, given: CodeGiven): Promise<string> {
  const { userId } = personOf(given.actor);
  const { email, isEnabled } = await existing(deps.db, userId);
  if (!isEnabled) throw isOff();
  await guarded(deps, { ...given, email }, () => proveFactor(deps, userId, given.code));
  return userId;
}

/** A wrong code is counted, audited and refused; while the address is locked none is tried. */
async function guarded(
  deps: MfaDeps,
  { actor, client, ...given }: CodeGiven & { readonly email: string },
  isRight: () => Promise<boolean>,
): Promise<void> {
  const { guards, audit } = deps;
  const email = normaliseEmail(given.email);
  const locked = await guards.lockSeconds(email);
  if (locked > 0) throw lockedOut(locked);
  const { isPassed, lockSeconds } = await settleGuess(guards, email, await isRight());
  if (isPassed) return;
  await record({ audit }, client, { action: 'mfa.failed', userId: actor.id, workspaceId: actor.workspaceId || null });
  if (lockSeconds > 0) throw lockedOut(lockSeconds);
  throw invalid([{ field: 'code', message: 'is wrong, or was used before: wait for the next one' }]);
}
