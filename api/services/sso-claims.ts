import { z } from 'zod';
import type { Role } from '../../db/tables.js';
import { forbidden } from '../http/errors.js';
import { normaliseEmail } from './accounts.js';
import { roles, strongestRole } from './roles.js';

/** What a provider says of somebody: the claims of the ID token over those of its user information. */
export type Claims = Readonly<Record<string, unknown>>;

export interface ClaimRules {
  readonly role_claim: string;
  readonly role_map: Readonly<Record<string, Role>>;
  readonly default_role: Role | null;
  readonly email_domains: readonly string[];
}

export interface ClaimedPerson {
  readonly subject: string;
  readonly email: string;
  readonly name: string;
  readonly role: Role;
  readonly hasMfa: boolean;
}

const Email = z.email().max(254);

/** Whom the claims describe, or a 403 that says what they lack. */
export function readClaims(claims: Claims, rules: ClaimRules): ClaimedPerson {
  const email = verifiedEmail(claims);
  const domain = email.slice(email.lastIndexOf('@') + 1);
  if (rules.email_domains.length > 0 && !rules.email_domains.includes(domain)) {
    throw forbidden(`Addresses of ${domain} may not sign in here: ask an administrator of your organisation.`);
  }
  const role = roleOf(claims, rules);
  if (role === null) {
    throw forbidden(
      'Your identity provider gives you no role here: ask an administrator of your organisation for one.',
    );
  }
  const amr = claims['amr'];
  return {
    subject: String(claims['sub']),
    email,
    name: nameOf(claims['name'], email),
    role,
    hasMfa: Array.isArray(amr) && amr.includes('mfa'),
  };
}

function verifiedEmail({ email, email_verified: isVerified }: Claims): string {
  const read = Email.safeParse(typeof email === 'string' ? normaliseEmail(email) : undefined);
  if (!read.success) throw forbidden('Your identity provider names no e-mail address of yours: it must send "email".');
  // some providers send their booleans as text
  if (isVerified !== true && isVerified !== 'true') {
    throw forbidden('Your identity provider has not verified your e-mail address: verify it there first.');
  }
  return read.data;
}

/** The strongest role that any value of the claim maps to. */
function roleOf(claims: Claims, { role_claim: path, role_map: map, default_role: otherwise }: ClaimRules): Role | null {
  const values = [claimAt(claims, path)].flat().filter((value) => typeof value === 'string');
  const mapped = values.flatMap((value) => (Object.hasOwn(map, value) ? [map[value]] : []));
  return strongestRole(roles.filter((role) => mapped.includes(role))) ?? otherwise;
}

/** By a dotted path; a claim whose own name holds dots, such as an address, is found by its whole name. */
export function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  return path.split('.').reduce<unknown>(
    (at, name) =>
      // -- reason: an object that has the property
      typeof at === 'object' && at !== null && Object.hasOwn(at, name) ? (at as Claims)[name] : undefined,
    claims,
  );
}

function nameOf(name: unknown, email: string): string {
  const given = typeof name === 'string' ? name.toWellFormed().replaceAll(/\p{C}/gu, '').trim().slice(0, 200) : '';
  return given === '' ? email.slice(0, email.lastIndexOf('@')) : given;
}
