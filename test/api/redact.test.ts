import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { cut, isSensitive, redact } from '../../api/http/redact.js';

test.each([
  ...[
    'token',
    'auth_token',
    'accessToken',
    'refresh_tokens',
    'secret',
    'client-secret',
    'clientSecret',
    'password',
    'Password',
  ],
  ...[
    'X-Api-Key',
    'apiKey',
    'api_keys',
    'recovery_codes',
    'totp_code',
    'Authorization',
    'Set-Cookie',
    'ciphertext',
    'signature',
  ],
  ...['password_hash', 'token_sealed', 'credentials', 'passphrase'],
])('%s is secret', (name) => {
  expect(isSensitive(name)).toBe(true);
  expect(redact({ list: [{ [name]: 'x' }] })).toEqual({ list: [{ [name]: '[redacted]' }] });
});

test.each(['name', 'keyboard', 'tokenizer', 'author', 'secretary', 'document_hash', 'encoded', 'monkey', 'shown_hash'])(
  '%s is not',
  (name) => expect(isSensitive(name)).toBe(false),
);

test.each([
  'Bearer abc.def',
  'Basic dXNlcjpwdw==',
  'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln',
  `as_live_${'a'.repeat(24)}`,
  `the key is cdp_${'a'.repeat(24)}`,
  'otpauth://totp/Keelson?secret=ABC',
  'https://user:pass@example.com/x',
])('a text such as %s is secret wherever it stands', (text) => {
  expect(redact({ note: text })).toEqual({ note: '[redacted]' });
});

test('what says only that there is none, or whether there is one, stays', () => {
  expect(redact({ token: null, has_key: true, secret: false, at: new Date(0) })).toEqual({
    ...{ token: null, has_key: true, secret: false },
    at: '1970-01-01T00:00:00.000Z',
  });
});

test('whatever comes is cut to 16 KiB and a little, and what is small stays as it is', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), fc.integer({ min: 1, max: 40 }), (value, times) => {
      const given = redact(
        JSON.parse(JSON.stringify({ list: Array.from({ length: times }, () => ({ value, pad: 'x'.repeat(900) })) })),
      );
      const kept = cut(given);
      const size = (of: unknown): number => Buffer.byteLength(JSON.stringify(of));
      expect(size(kept)).toBeLessThanOrEqual(16 * 1024);
      if (size(given) <= 16 * 1024) expect(kept).toEqual(given);
    }),
    { numRuns: 50 },
  );
});

test('the large part gives way and the small ones stay', () => {
  const large = 'x'.repeat(20_000);
  expect(cut({ name: 'Mine', graph: { nodes: [{ id: 'a', text: large }] } })).toEqual({
    name: 'Mine',
    graph: { nodes: [{ id: 'a', text: { cut_bytes: 20_002, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } }] },
  });
});
