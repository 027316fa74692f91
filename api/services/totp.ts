import { randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import { sha256Hex } from '../../db/crypto.js';

const PERIOD_SECONDS = 30;
const SECRET_BYTES = 20;
/** Codes of the step before and the step after count too: clocks differ. */
const WINDOW = 1;

const totpOf = (secret: string, label: string): TOTP =>
  new TOTP({
    issuer: 'Keelson',
    label,
    secret: Secret.fromBase32(secret),
    algorithm: 'SHA1',
    digits: 6,
    period: PERIOD_SECONDS,
  });

/** Base32, as authenticator apps take it. */
export const newTotpSecret = (): string => new Secret({ size: SECRET_BYTES }).base32;

export const otpauthUrl = (secret: string, email: string): string => totpOf(secret, email).toString();

/** The 30-second step the code belongs to; null for a wrong one. */
export function stepOfCode(secret: string, code: string, now: number = Date.now()): number | null {
  const token = code.replaceAll(/\s/g, '');
  if (!/^\d{6}$/.test(token)) return null;
  const delta = totpOf(secret, 'user').validate({ token, window: WINDOW, timestamp: now });
  return delta === null ? null : Math.floor(now / 1_000 / PERIOD_SECONDS) + delta;
}

const RECOVERY_CODES = 10;
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const CODE_LENGTH = 16;
const isRecoveryCode = new RegExp(`^[${ALPHABET}]{${CODE_LENGTH}}$`);

/** 80 bits each, so that a plain hash is enough. */
export const newRecoveryCodes = (): readonly string[] => Array.from({ length: RECOVERY_CODES }, newRecoveryCode);

function newRecoveryCode(): string {
  const letters = [...randomBytes(CODE_LENGTH)].map((byte) => ALPHABET.charAt(byte % ALPHABET.length)).join('');
  return (letters.match(/.{4}/g) ?? []).join('-');
}

/** Read as people copy it: in any letters, with or without dashes, `o` for 0 and `l` for 1. null: it is no recovery code. */
export function recoveryCodeHash(userId: string, code: string): string | null {
  const letters = code.toLowerCase().replaceAll(/[\s-]/g, '').replaceAll('o', '0').replaceAll(/[il]/g, '1');
  return isRecoveryCode.test(letters) ? sha256Hex(`${userId}:${letters}`) : null;
}
