import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose';
import { deriveKey } from '../../db/crypto.js';
import { MASTER_KEY } from './api.js';

type Header = Readonly<Record<string, unknown>>;

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');

const ourKey = (): Buffer => deriveKey(Buffer.from(MASTER_KEY, 'hex'), 'jwt');

const hs256 = (header: Header, payload: JWTPayload, key: Buffer): string => {
  const body = `${encode(header)}.${encode(payload)}`;
  return `${body}.${createHmac('sha256', key).update(body).digest('base64url')}`;
};

/** Tokens made out of a good one that must open nothing, by what is wrong with them. */
export function forgeries(good: string): Readonly<Record<string, string>> {
  const payload = decodeJwt(good);
  const header: Header = { ...decodeProtectedHeader(good) };
  const key = ourKey();
  const own = (change: Readonly<Record<string, unknown>>): string => hs256(header, { ...payload, ...change }, key);
  const unsigned = (alg: string): string => `${encode({ ...header, alg })}.${encode(payload)}.`;
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = publicKey.export({ format: 'jwk' });
  const withOwnKey = `${encode({ alg: 'ES256', typ: 'JWT', kid: header['kid'], jwk })}.${encode(payload)}`;
  const signature = sign('sha256', Buffer.from(withOwnKey), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  const now = Math.floor(Date.now() / 1_000);
  const { exp: _exp, ...endless } = payload;
  return {
    'alg none': unsigned('none'),
    'alg None': unsigned('None'),
    'no signature': `${good.split('.').slice(0, 2).join('.')}.`,
    'alg none with our signature': `${encode({ ...header, alg: 'none' })}.${good.split('.').slice(1).join('.')}`,
    'a foreign key': hs256(header, payload, Buffer.alloc(32, 9)),
    'an empty key': hs256(header, payload, Buffer.alloc(0)),
    'its own key, embedded': `${withOwnKey}.${signature.toString('base64url')}`,
    'a key id of nobody': hs256({ ...header, kid: 'other' }, payload, key),
    'a key id that is a path': hs256({ ...header, kid: '../../../dev/null' }, payload, key),
    'no key id': hs256({ alg: 'HS256', typ: 'JWT' }, payload, key),
    'a critical extension nobody knows': hs256({ ...header, crit: ['x'], x: 1 }, payload, key),
    'another issuer': own({ iss: 'https://evil.example' }),
    'another audience': own({ aud: 'other-api' }),
    'an end that is past': own({ iat: now - 4_000, nbf: now - 4_000, exp: now - 100 }),
    'a beginning to come': own({ nbf: now + 4_000 }),
    'no end': hs256(header, endless, key),
    'the type of a refresh token': own({ type: 'refresh', token_use: 'refresh' }),
    'no type': own({ type: undefined }),
    'another person': own({ sub: 'user:usr_00000000000000000000000000' }),
    'a session of nobody': own({ sid: 'ses_00000000000000000000000000' }),
    'a service account of nobody': own({ sub: 'service-account:admin', sid: undefined, jti: 'jwt_none' }),
    'a changed payload': [good.split('.')[0], encode({ ...payload, sub: 'user:x' }), good.split('.')[2]].join('.'),
  };
}
