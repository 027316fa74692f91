import { describe, expect, test } from '@jest/globals';
import { createHmac, createHash } from 'node:crypto';
import { providers, schemes, type Provider } from '../../api/services/ingress/schemes/index.js';
import { verifyDelivery, type Verdict } from '../../api/services/ingress/verify.js';
import { bodyOf, idSeen, secrets, settings, signed, timed, wordOnly } from '../support/webhooks.js';

const now = new Date('2026-03-01T12:00:00Z');
const at = now.getTime() / 1_000;
const url = 'https://flows.example.com/v1/public/ingress/shop/hook?a=1';

interface Asked {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly rawBody: Buffer;
  readonly url?: string;
  readonly secrets?: readonly string[];
  readonly settings?: object;
  readonly at?: Date;
}

const verdictOf = (provider: Provider, asked: Asked): Verdict =>
  verifyDelivery(
    { headers: asked.headers, rawBody: asked.rawBody, url: asked.url ?? url },
    {
      provider,
      settings: schemes[provider].settings.parse(asked.settings ?? settings[provider]),
      secrets: asked.secrets ?? [secrets[provider]],
      toleranceSeconds: 300,
      now: asked.at ?? now,
    },
  );

function requestOf(
  provider: Provider,
  id = 'evt_1',
  signedAt = at,
): { headers: Record<string, string>; rawBody: Buffer } {
  const body = bodyOf[provider](id);
  return {
    headers: { ...signed[provider]({ secret: secrets[provider], body, at: signedAt, id, url }) },
    rawBody: body,
  };
}

const otherSecret: Readonly<Partial<Record<Provider, string>>> = {
  standard: 'whsec_b3RoZXI=',
  discord: 'ab'.repeat(32),
};

describe.each(providers)('%s', (provider) => {
  test('takes what its provider signs, and says its id and time', () => {
    const { headers, rawBody } = requestOf(provider);
    expect(verdictOf(provider, { headers, rawBody })).toEqual({
      ok: true,
      proof: { providerId: idSeen(provider, 'evt_1'), signedAt: timed.has(provider) ? at : null },
    });
  });

  test('refuses another secret, and takes either of two', () => {
    const request = requestOf(provider);
    const other = otherSecret[provider] ?? 'another';
    expect(verdictOf(provider, { ...request, secrets: [other] })).toMatchObject({ ok: false });
    expect(verdictOf(provider, { ...request, secrets: [other, secrets[provider]] })).toMatchObject({ ok: true });
    expect(verdictOf(provider, { ...request, secrets: [] })).toMatchObject({ ok: false });
  });

  test('refuses a body that was altered by one byte', () => {
    if (wordOnly.has(provider)) return;
    const { headers, rawBody } = requestOf(provider);
    const altered = Buffer.from(rawBody);
    altered[altered.length - 2] = (altered[altered.length - 2] ?? 0) ^ 1;
    expect(verdictOf(provider, { headers, rawBody: altered })).toMatchObject({ ok: false });
    expect(verdictOf(provider, { headers, rawBody: Buffer.alloc(0) })).toMatchObject({ ok: false });
  });

  test('refuses proofs that are missing, empty, cut or of another form, without breaking', () => {
    const { headers, rawBody } = requestOf(provider);
    const carrier = schemes[provider].carrier(schemes[provider].settings.parse(settings[provider])).toLowerCase();
    const proof = headers[carrier] ?? '';
    if (provider === 'lark') return;
    for (const bad of [undefined, '', proof.slice(0, -4), `${proof.slice(0, -1)}!`, '\u00ff', 'x'.repeat(10_000)]) {
      expect(verdictOf(provider, { headers: { ...headers, [carrier]: bad }, rawBody })).toMatchObject({ ok: false });
    }
  });

  test('refuses a time that is too far from ours, either way, or altered', () => {
    if (!timed.has(provider)) return;
    for (const [seconds, direction] of [
      [301, 'ago'],
      [-301, 'ahead of our clock'],
    ] as const) {
      const verdict = verdictOf(provider, requestOf(provider, 'evt_1', at - seconds));
      expect(verdict).toEqual({
        ok: false,
        why: `The request was signed 301 s ${direction}, and at most 300 s are accepted: sign it anew.`,
      });
    }
    for (const edge of [at - 300, at + 300])
      expect(verdictOf(provider, requestOf(provider, 'evt_1', edge))).toMatchObject({ ok: true });
    const { headers, rawBody } = requestOf(provider);
    const newer = Object.fromEntries(
      Object.entries(headers).map(([name, text]) => [
        name,
        text.replace(String(at), String(at + 1)).replace('12:00:00', '12:00:01'),
      ]),
    );
    expect(newer).not.toEqual(headers);
    expect(verdictOf(provider, { headers: newer, rawBody })).toMatchObject({ ok: false });
  });

  test('a body that is no JSON, or hostile JSON, breaks nothing', () => {
    for (const text of [
      '\u0000',
      '[[[[',
      '[]',
      'null',
      `${'['.repeat(100_000)}`,
      '{"header":7,"id":{},"__proto__":1}',
    ]) {
      const body = Buffer.from(text);
      const headers = signed[provider]({ secret: secrets[provider], body, at, id: 'x', url });
      expect(() => verdictOf(provider, { headers, rawBody: body })).not.toThrow();
    }
  });
});

describe('vectors that providers publish', () => {
  test('Standard Webhooks', () => {
    const headers = {
      'webhook-id': 'msg_loFOjxBNrRLzqYUf',
      'webhook-timestamp': '1731705121',
      'webhook-signature': 'v1a,other v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=',
    };
    const rawBody = Buffer.from('{"event_type":"ping","data":{"success":true}}');
    const of = { rawBody, secrets: ['whsec_plJ3nmyCDGBKInavdOK15jsl'], at: new Date(1_731_705_121_000) };
    expect(verdictOf('standard', { ...of, headers })).toMatchObject({
      ok: true,
      proof: { providerId: 'msg_loFOjxBNrRLzqYUf' },
    });
    const svix = Object.fromEntries(
      Object.entries(headers).map(([name, text]) => [name.replace('webhook', 'svix'), text]),
    );
    expect(verdictOf('standard', { ...of, headers: svix })).toMatchObject({ ok: true });
    expect(verdictOf('standard', { ...of, headers: { ...headers, 'webhook-id': 'msg_other' } })).toMatchObject({
      ok: false,
    });
  });

  test('GitHub', () => {
    const headers = {
      'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
    };
    const of = { rawBody: Buffer.from('Hello, World!'), secrets: ["It's a Secret to Everybody"] };
    expect(verdictOf('github', { ...of, headers })).toMatchObject({ ok: true });
  });

  test('Slack', () => {
    const rawBody = Buffer.from(
      'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c',
    );
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'x-slack-request-timestamp': '1531420618',
      'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    };
    const of = { rawBody, secrets: ['8f742231b10e8888abcd99yyyzzz85a5'], at: new Date(1_531_420_618_000) };
    expect(verdictOf('slack', { ...of, headers })).toMatchObject({
      ok: true,
      proof: { providerId: '398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c' },
    });
  });

  test('Twilio', () => {
    const rawBody = Buffer.from(
      new URLSearchParams({
        CallSid: 'CA1234567890ABCDE',
        Caller: '+14158675309',
        Digits: '1234',
        From: '+14158675309',
        To: '+18005551212',
      }).toString(),
    );
    const headers = {
      'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
      'x-twilio-signature': 'RSOYDt4T1cUTdK1PDd93/VVr8B8=',
    };
    const of = { rawBody, headers, secrets: ['12345'] };
    expect(verdictOf('twilio', { ...of, url: 'https://mycompany.com/myapp.php?foo=1&bar=2' })).toMatchObject({
      ok: true,
    });
    expect(verdictOf('twilio', { ...of, url: 'https://mycompany.com/myapp.php?foo=1&bar=3' })).toMatchObject({
      ok: false,
    });
    const asGiven = { url: 'https://mycompany.com/myapp.php' };
    expect(verdictOf('twilio', { ...of, url: '/v1/x?foo=1&bar=2', settings: asGiven })).toMatchObject({ ok: true });
  });
});

describe('rules of single providers', () => {
  const sum = (secret: string, ...parts: string[]) => createHmac('sha256', secret).update(parts.join('')).digest('hex');

  test('questions whether the address is ours are answered when they are signed', () => {
    const asks = JSON.stringify({ type: 'url_verification', challenge: 'c1', token: secrets.lark });
    const ask = (provider: Provider, text: string) => {
      const body = Buffer.from(text);
      return verdictOf(provider, {
        headers: signed[provider]({ secret: secrets[provider], body, at, id: 'x', url }),
        rawBody: body,
      });
    };
    expect(ask('slack', asks)).toMatchObject({ ok: true, proof: { challenge: { challenge: 'c1' } } });
    expect(ask('lark', asks)).toMatchObject({ ok: true, proof: { challenge: { challenge: 'c1' } } });
    expect(ask('lark', asks.replace(secrets.lark, 'other'))).toMatchObject({ ok: false });
    expect(ask('discord', '{"type":1}')).toMatchObject({ ok: true, proof: { challenge: { type: 1 } } });
  });

  test('a GitHub ping is kept and not processed', () => {
    const { headers, rawBody } = requestOf('github');
    const verdict = verdictOf('github', { headers: { ...headers, 'x-github-event': 'ping' }, rawBody });
    expect(verdict).toMatchObject({ ok: true, proof: { ignored: 'GitHub only asked whether the address answers.' } });
  });

  test('the chain scheme takes bare hex too', () => {
    const rawBody = Buffer.from('{}');
    for (const text of [sum(secrets.keelson, '{}'), `sha256=${sum(secrets.keelson, '{}').toUpperCase()}`])
      expect(verdictOf('keelson', { headers: { 'x-chain-signature': text }, rawBody })).toMatchObject({ ok: true });
  });

  test('Twilio signs the hash of a JSON body in its address', () => {
    const rawBody = Buffer.from('{"a":1}');
    const of = (hash: string) => {
      const called = `https://flows.example.com/x?bodySHA256=${hash}`;
      const signature = createHmac('sha1', secrets.twilio).update(called).digest('base64');
      const headers = { 'content-type': 'application/json', 'x-twilio-signature': signature };
      return verdictOf('twilio', { headers, rawBody, url: called });
    };
    expect(of(createHash('sha256').update(rawBody).digest('hex'))).toMatchObject({ ok: true });
    expect(of(createHash('sha256').update('{"a":2}').digest('hex'))).toMatchObject({ ok: false });
    expect(of('')).toMatchObject({ ok: false });
  });

  test('a message without an id is known by its signature, which covers its time', () => {
    const idOf = (signedAt: number): string | null => {
      const body = Buffer.from('{"no":"id"}');
      const headers = signed.agent_studio({ secret: secrets.agent_studio, body, at: signedAt, id: '', url });
      const verdict = verdictOf('agent_studio', { headers, rawBody: body });
      return verdict.ok ? verdict.proof.providerId : null;
    };
    expect(idOf(at)).toMatch(/^signature:[0-9a-f]{64}$/);
    expect(idOf(at)).toBe(idOf(at));
    expect(idOf(at)).not.toBe(idOf(at + 1));
  });

  test('the generic HMAC reads plain bodies, hex, milliseconds and ISO times', () => {
    const rawBody = Buffer.from('x=1');
    const plain = { headers: { 'x-s': sum('k', 'x=1') }, rawBody, secrets: ['k'], settings: { header: 'x-s' } };
    expect(verdictOf('hmac', plain)).toEqual({ ok: true, proof: { providerId: null, signedAt: null } });
    for (const time of [String(at * 1_000), now.toISOString()]) {
      const timedBody = { 'x-s': sum('k', time, ':', 'x=1'), 'x-t': time };
      const rules = { header: 'x-s', timestamp_header: 'x-t', separator: ':' };
      const asked = { headers: timedBody, rawBody, secrets: ['k'], settings: rules };
      expect(verdictOf('hmac', asked)).toMatchObject({ ok: true, proof: { signedAt: at } });
    }
  });

  test('secrets that cannot be one are named so', () => {
    const problems = (['standard', 'telegram', 'discord'] as const).map((name) =>
      schemes[name].secretProblem?.('no good!'),
    );
    expect(problems).toEqual([
      'must be base64, with or without whsec_ before it',
      'must be 1 to 256 letters, digits, _ and -, which is all that Telegram takes',
      "must be the application's public key, 64 hex digits",
    ]);
    for (const name of providers) {
      const made = schemes[name].newSecret?.();
      if (made !== undefined) expect(schemes[name].secretProblem?.(made) ?? null).toBeNull();
    }
  });
});
