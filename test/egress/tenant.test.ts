import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createEgress } from '../../activities/egress/egress.js';
import { egressProblem, parseEgressAllow, type EgressLimits } from '../../db/egress.js';
import { createEgressClient, type EgressClient } from '../../db/egress-client.js';
import { createTenantLimits, writeEgressLists, type TenantLimits } from '../../db/tenant-egress.js';
import { failureOf, startHttpPeer, type HttpPeer } from '../activities/peers.js';
import { openStage, type Stage } from '../activities/stage.js';

let stage: Stage;
let peer: HttpPeer;
const [denied, unlisted] = [/on the deny list of your organisation/, /not on the allow list of your organisation/];

beforeAll(async () => {
  stage = await openStage();
  peer = await startHttpPeer((response) => response.end('{}'));
});
afterAll(async () => {
  await peer.close();
  await stage.close();
});

const limits = (allow: string, deny = ''): EgressLimits => ({
  allow: parseEgressAllow(allow),
  deny: parseEgressAllow(deny),
});

test.each([
  ['https://api.example.com/', '', 'api.example.com', denied],
  ['https://api.example.com/', '', '*.example.com', denied],
  ['https://api.example.com:8443/', '', 'api.example.com:443', null],
  ['https://api.example.com/', 'api.example.com', '*.example.com', denied],
  ['https://api.example.com/', '*.example.com', '', null],
  ['https://example.com/', '*.example.com', '', unlisted],
  ['https://api.example.com:8443/', 'api.example.com:443', '', unlisted],
  ['https://8.8.8.8/', '8.8.8.0/24', '', null],
  ['https://8.8.8.8/', '', '8.8.8.0/24', denied],
  ['https://134744072/', '', '8.8.8.8', denied],
  ['https://0x8080808/', '9.9.9.9', '', unlisted],
  ['https://[2606:4700::1111]/', '', '2606:4700::/32', denied],
  // what a name resolves to is only known at the connection
  ['https://api.example.com/', '203.0.113.0/24', '', null],
])('%s with allow "%s" and deny "%s"', (...row) => {
  const [url, allow, deny, problem] = row;
  const said = egressProblem(url, [], limits(allow, deny));
  if (problem === null) expect(said).toBeNull();
  else expect(said).toMatch(problem);
});

test("an organisation's allow list opens no private address that the operator's does not", () => {
  const own = limits('127.0.0.1, 10.0.0.0/8, localhost, metadata.internal');
  for (const url of ['http://127.0.0.1/', 'http://10.1.2.3/', 'http://localhost/'])
    expect(egressProblem(url, [], own)).toMatch(/local, private or reserved/);
  expect(egressProblem('http://10.1.2.3/', parseEgressAllow('10.0.0.0/8'), own)).toBeNull();
  expect(egressProblem('http://10.1.2.3/', parseEgressAllow('10.0.0.0/8'), limits('', '10.1.0.0/16'))).toMatch(denied);
});

const clientOf = (address: string): EgressClient =>
  createEgressClient({
    allow: parseEgressAllow('127.0.0.0/8'),
    lookup: () => Promise.resolve([{ address, family: 4 }]),
  });

const ask = (client: EgressClient, own: EgressLimits) =>
  client.send({
    method: 'GET',
    url: `http://hooks.example:${peer.port}/`,
    headers: {},
    signal: AbortSignal.timeout(10_000),
    replyLimitBytes: 100,
    limits: own,
  });

test('the address a name resolves to is held against both lists when the connection is opened', async () => {
  const client = clientOf('127.0.0.1');
  await expect(ask(client, limits('', '127.0.0.0/8'))).rejects.toMatchObject({
    fault: 'refused',
    message: expect.stringMatching(denied),
  });
  await expect(ask(client, limits('127.0.0.2'))).rejects.toMatchObject({
    fault: 'refused',
    message: expect.stringMatching(unlisted),
  });
  expect((await ask(client, limits('127.0.0.0/30'))).status).toBe(200);
  await client.close();
});

test('a connection that one organisation keeps open serves no other', async () => {
  const client = clientOf('127.0.0.1');
  expect((await ask(client, limits(''))).status).toBe(200);
  await expect(ask(client, limits('', '127.0.0.1'))).rejects.toMatchObject({ message: expect.stringMatching(denied) });
  await client.close();
});

test('nodes keep to the lists of the organisation their run belongs to, and a change counts within seconds', async () => {
  let now = 0;
  const tenants: TenantLimits = createTenantLimits(stage.db, { freshMs: 5_000, now: () => now });
  const egress = createEgress({ allow: parseEgressAllow('127.0.0.1'), limitsOf: tenants.of });
  const deny = async (entries: readonly string[]): Promise<void> => {
    expect(await writeEgressLists(stage.db, 'ten_1', { allow: [], deny: entries })).toBe(true);
  };
  const call = (kind: 'http' | 'webhook' | 'tool' | 'channel_send'): Promise<unknown> => {
    const url = `${peer.url}/${kind}`;
    const tool = {
      name: 't',
      description: '',
      method: 'POST',
      url,
      headers: {},
      body: null,
      parameters: null,
      outputs: {},
    };
    const configs = {
      http: { method: 'POST', url },
      webhook: { url },
      tool: { tool_name: 't', args: {} },
      channel_send: { channel: 'webhook', to: url, message: 'hi' },
    };
    const config = configs[kind] as never; // -- reason: kind and config are correlated
    return stage.failure({ kind, config, deps: { egress, tool: () => Promise.resolve(tool as never) } });
  };
  const kinds = ['http', 'webhook', 'tool', 'channel_send'] as const;
  await deny(['127.0.0.1']);
  for (const kind of kinds) {
    await stage.fresh();
    expect(JSON.stringify(await call(kind))).toMatch(/deny list of your organisation/);
  }
  expect(peer.requests.filter(({ path }) => path !== '/')).toHaveLength(0);
  await deny([]);
  const request = { workspaceId: 'ws_1', method: 'GET', url: peer.url, headers: {}, replyLimitBytes: 100 } as const;
  const send = () => egress.send({ ...request, signal: AbortSignal.timeout(10_000) });
  expect(await failureOf(send())).toMatchObject({ type: 'address_refused', retryable: false });
  now = 5_000;
  expect((await send()).status).toBe(200);
  await egress.close();
});

test('writing the lists leaves other settings of the organisation alone', async () => {
  await stage.db.updateTable('tenants').set({ settings: '{"theme":"dark"}' }).where('id', '=', 'ten_1').execute();
  await writeEgressLists(stage.db, 'ten_1', { allow: ['a.example'], deny: [] });
  const { settings } = await stage.db
    .selectFrom('tenants')
    .select('settings')
    .where('id', '=', 'ten_1')
    .executeTakeFirstOrThrow();
  expect(settings).toEqual({ theme: 'dark', egress: { allow: ['a.example'], deny: [] } });
});
