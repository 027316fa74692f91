import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Person } from '../support/api.js';
import { chainUser, ended, type ChainUser } from '../support/chains.js';
import { send, type Answered } from '../support/http.js';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { until } from '../support/until.js';

let platform: TestPlatform;
let person: Person;
let create: ChainUser['create'];
let reached: ChainUser['reached'];

beforeAll(async () => {
  platform = await startTestPlatform();
  person = await platform.signUp();
  ({ create, reached } = chainUser(person));
}, 60_000);
afterAll(() => platform.close());

describe('ingress', () => {
  const body = JSON.stringify({ text: 'from outside' });
  const sign = (key: string): string => createHmac('sha256', key).update(body).digest('hex');
  const post = (path: string, signature: string | null, more: Record<string, string> = {}): Promise<Answered> =>
    send(`${platform.url}${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(signature === null ? {} : { 'x-chain-signature': signature }),
        ...more,
      },
      body,
    });
  const doc = (status: string) => ({
    name: 'Inbound',
    status,
    primary_steps: [
      { kind: 'webhook', label: 'In', config: { secret: 'in-key' } },
      { kind: 'notify', label: 'Out' },
    ],
  });
  let open: string;

  beforeAll(async () => {
    await create('inbound', doc('draft'));
    open = `/v1/public/workflow-chains/${person.workspace.slug}/inbound/ingress`;
  });

  test('a draft is not there for strangers', async () => {
    expect((await post(open, `sha256=${sign('in-key')}`)).status).toBe(404);
  });

  test('a live chain runs on a true signature, in both spellings, and on no other', async () => {
    expect((await person.call('PATCH', '/v1/workflow-chains/inbound', { body: doc('live') })).status).toBe(200);
    for (const signature of [`sha256=${sign('in-key')}`, sign('in-key')]) {
      const accepted = await post(open, signature);
      expect(accepted.status).toBe(202);
      const end = await reached('inbound', String(accepted.body['run_id']), ended);
      expect(end.body).toMatchObject({
        status: 'completed',
        trigger: 'public_ingress',
        input: { text: 'from outside' },
      });
    }
    for (const forged of [null, 'sha256=', 'sha256=00', sign('other-key'), `sha256=${'0'.repeat(64)}`]) {
      expect((await post(open, forged)).status).toBe(401);
    }
  });

  test('a signed-in caller needs the signature too', async () => {
    const path = '/v1/workflow-chains/inbound/ingress';
    const bearer = { authorization: `Bearer ${person.token}` };
    expect((await post(path, sign('in-key'), bearer)).status).toBe(202);
    expect((await post(path, sign('other'), bearer)).status).toBe(401);
    expect((await post(path, sign('in-key'))).status).toBe(401);
  });

  test('a paused chain says so', async () => {
    expect((await person.call('PATCH', '/v1/workflow-chains/inbound', { body: doc('paused') })).status).toBe(200);
    expect((await post(open, sign('in-key'))).status).toBe(409);
    expect((await post(open, sign('no'))).status).toBe(401);
  });
});

describe('free-standing approvals', () => {
  test('are decided once, at once', async () => {
    const base = `/workspaces/${person.workspace.id}/approvals`;
    const asked = await person.call('POST', base, {
      body: { action: 'Delete it', context: { size: 3 }, options: ['a'] },
    });
    expect(asked).toMatchObject({ status: 201, body: { status: 'pending' } });
    const id = String(asked.body['approval_id']);
    const pending = await person.call('GET', '/approvals/pending');
    expect(pending.body).toEqual(
      expect.arrayContaining([expect.objectContaining({ id, context: { size: 3 }, options: ['a'] })]),
    );
    expect(await person.call('POST', `${base}/${id}/decide`, { body: { decision: 'approve' } })).toMatchObject({
      status: 200,
    });
    expect(await person.call('POST', `${base}/${id}/decide`, { body: { decision: 'approve' } })).toMatchObject({
      status: 404,
    });
    const words = await person.call('POST', `${base}/${id}/decide`, { body: { decision: 'perhaps' } });
    expect(words.status).toBe(400);
  });

  test('expire by themselves', async () => {
    const base = `/workspaces/${person.workspace.id}/approvals`;
    const asked = await person.call('POST', base, { body: { action: 'Quick', expires_in: 1 } });
    const id = String(asked.body['approval_id']);
    const found = await until(
      () => person.call('GET', base),
      ({ text }) => !text.includes('"pending"'),
    );
    expect(found.body).toEqual(
      expect.arrayContaining([expect.objectContaining({ id, status: 'denied', decided_by: 'auto-expired' })]),
    );
  });
});
