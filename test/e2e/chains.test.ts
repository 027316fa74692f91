import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { INPUT_LIMIT_BYTES } from '../../workflows/definition/values.js';
import type { Person } from '../support/api.js';
import { chainUser, ended, type ChainUser } from '../support/chains.js';
import type { Answered } from '../support/http.js';
import { send } from '../support/http.js';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { startSink, type Sink } from '../support/sink.js';
import { until } from '../support/until.js';

let sink: Sink;
let platform: TestPlatform;
let person: Person;
let create: ChainUser['create'];
let start: ChainUser['start'];
let reached: ChainUser['reached'];

beforeAll(async () => {
  sink = await startSink((index) => (index === 0 ? 503 : 200));
  platform = await startTestPlatform({ KEELSON_EGRESS_ALLOW: sink.address });
  person = await platform.signUp();
  ({ create, start, reached } = chainUser(person));
}, 60_000);
afterAll(async () => {
  await platform.close();
  await sink.close();
});

interface Trace {
  readonly kind: string;
  readonly status: string;
  readonly output: unknown;
  readonly attempt: number;
}
const tracesOf = ({ body }: Answered, name = 'primary_trace'): readonly Trace[] => body[name] as readonly Trace[];

describe('a chain with every kind of effect', () => {
  const steps = [
    { kind: 'trigger', label: 'In' },
    { kind: 'agent', label: 'Triage' },
    { kind: 'decide', label: 'Which' },
    { kind: 'webhook', label: 'Tell the shop', config: { url: '', secret: 'out-key', max_retries: 3 } },
    { kind: 'notify', label: 'Done' },
  ];
  const branches = [{ name: 'refund', steps: [{ kind: 'human', label: 'Pay?', config: { prompt: 'Pay back?' } }] }];

  beforeAll(async () => {
    const primary_steps = steps.map((step) =>
      step.kind === 'webhook' ? { ...step, config: { ...step.config, url: `${sink.url}/hook` } } : step,
    );
    await create('refunds', { primary_steps, branches, status: 'live' });
  });

  test('waits for a person, goes on with their words, retries the webhook and ends', async () => {
    const runId = await start('refunds', { text: 'I want a refund' });
    const waiting = await reached('refunds', runId, ['awaiting_human']);
    expect(waiting.body).toMatchObject({ branch_taken: 'refund', waiting_for: { prompt: 'Pay back?' } });
    const path = `/v1/workflow-chains/refunds/runs/${runId}/resume`;
    const resumed = await person.call('POST', path, { body: { input: 'paid 12 EUR', note: 'ok' } });
    expect(resumed).toMatchObject({ status: 200, body: { run_id: runId, status: 'running' } });
    expect((await person.call('POST', path)).status).toBe(409);
    const end = await reached('refunds', runId, ended);
    expect(end.body).toMatchObject({ status: 'completed', output: { channel: 'log' } });
    expect(tracesOf(end).map((step) => step.status)).toEqual(Array(5).fill('completed'));
    expect(tracesOf(end, 'branch_trace')).toMatchObject([
      { kind: 'human', status: 'completed', output: 'paid 12 EUR' },
    ]);
    expect(tracesOf(end)[3]).toMatchObject({ attempt: 2, output: { status: 200 } });
    const mine = sink.received.filter(({ body }) => body.includes(runId));
    expect(mine).toHaveLength(2);
    expect(new Set(mine.map(({ body }) => body)).size).toBe(1);
    expect(new Set(mine.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
    const signature = createHmac('sha256', 'out-key')
      .update(mine[0]?.body ?? '')
      .digest('hex');
    expect(mine[0]?.headers['x-chain-signature']).toBe(`sha256=${signature}`);
  });

  test('takes the main line when no branch fits', async () => {
    const runId = await start('refunds', 'good morning');
    const end = await reached('refunds', runId, ended);
    expect(end.body).toMatchObject({ status: 'completed', branch_taken: null, branch_trace: [] });
  });

  test('a refusal cancels the run and is on record', async () => {
    const runId = await start('refunds', 'refund please');
    const { body } = await reached('refunds', runId, ['awaiting_human']);
    const { approval_id } = body['waiting_for'] as { approval_id: string };
    const decide = `/workspaces/${person.workspace.id}/approvals/${approval_id}/decide`;
    const decided = await person.call('POST', decide, { body: { decision: 'reject', decided_by: 'ana' } });
    expect(decided).toMatchObject({ status: 200, body: { status: 'rejected', approval_id } });
    expect((await person.call('POST', decide, { body: { decision: 'approve' } })).status).toBe(404);
    expect((await person.call('POST', `/v1/workflow-chains/refunds/runs/${runId}/resume`)).status).toBe(409);
    expect((await reached('refunds', runId, ended)).body['status']).toBe('cancelled');
    const approvals = await person.call('GET', `/workspaces/${person.workspace.id}/approvals`);
    expect(approvals.body).toEqual(
      expect.arrayContaining([expect.objectContaining({ id: approval_id, status: 'denied', decided_by: 'ana' })]),
    );
  });

  test('one of many deciders wins', async () => {
    const runId = await start('refunds', 'refund again');
    const { body } = await reached('refunds', runId, ['awaiting_human']);
    const { approval_id } = body['waiting_for'] as { approval_id: string };
    const answers = await Promise.all([
      ...Array.from({ length: 4 }, () => person.call('POST', `/v1/workflow-chains/refunds/runs/${runId}/resume`)),
      ...Array.from({ length: 4 }, () =>
        person.call('POST', `/workspaces/${person.workspace.id}/approvals/${approval_id}/decide`, {
          body: { decision: 'approve' },
        }),
      ),
    ]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => ![200, 404, 409].includes(status))).toEqual([]);
    expect((await reached('refunds', runId, ended)).body['status']).toBe('completed');
  });

  test('a decision asked again under its key, after its answer was lost, is answered as it was', async () => {
    const runId = await start('refunds', 'refund, said twice');
    await reached('refunds', runId, ['awaiting_human']);
    const path = `/v1/workflow-chains/refunds/runs/${runId}/resume`;
    const headers = { 'idempotency-key': `decide-${runId}` };
    expect((await person.call('POST', path, { headers })).status).toBe(200);
    const forget = { status: null, reply: null, claimed_until: new Date(0) };
    const keys = platform.db.updateTable('idempotency_keys').set(forget).where('route', '=', 'chains.resume');
    expect((await keys.executeTakeFirstOrThrow()).numUpdatedRows).toBeGreaterThan(0n);
    expect((await person.call('POST', path, { headers })).status).toBe(200);
    expect((await person.call('POST', path)).status).toBe(409);
    expect((await reached('refunds', runId, ended)).body['status']).toBe('completed');
  });

  test('the same Idempotency-Key is the same run', async () => {
    const key = { 'idempotency-key': 'order-1' };
    const ids = await Promise.all(Array.from({ length: 5 }, () => start('refunds', 'hello once', key)));
    expect(new Set(ids).size).toBe(1);
    const other = await person.call('POST', '/v1/workflow-chains/refunds/run', {
      body: { input: 'else' },
      headers: key,
    });
    expect(other.status).toBe(409);
  });

  test('no secret shows anywhere', async () => {
    const pages = await Promise.all(
      ['/v1/workflow-chains/refunds', '/v1/secrets', '/v1/audit', '/v1/workflow-chains'].map((path) =>
        person.call('GET', path),
      ),
    );
    expect(pages.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(pages.filter(({ text }) => text.includes('out-key'))).toEqual([]);
    expect(pages[0]?.text).toMatch(/\{\{secret:CHAIN_REFUNDS_[0-9A-F]{8}\}\}/);
  });
});

describe('input', () => {
  beforeAll(() =>
    create('echo', {
      primary_steps: [
        { kind: 'trigger', label: 'In' },
        { kind: 'notify', label: 'Out' },
      ],
    }),
  );

  test('two MiB go through, and show by reference', async () => {
    const text = 'x'.repeat(INPUT_LIMIT_BYTES - 10);
    const runId = await start('echo', text);
    const { body } = await reached('echo', runId, ended);
    expect(body).toMatchObject({
      status: 'completed',
      input: { bytes: text.length + 2, preview: expect.stringContaining('xxx') },
    });
  });

  test('more is 413 and nothing is written', async () => {
    const before = await person.call('GET', '/v1/workflow-chains/echo/runs');
    for (const size of [INPUT_LIMIT_BYTES + 1, 3 * 1024 * 1024]) {
      const refused = await person.call('POST', '/v1/workflow-chains/echo/run', { body: { input: 'x'.repeat(size) } });
      expect(refused).toMatchObject({ status: 413, body: { error: { code: 'payload_too_large' } } });
    }
    const after = await person.call('GET', '/v1/workflow-chains/echo/runs');
    expect(after.body['total']).toBe(before.body['total']);
  });

  test('plain text is taken as it is', async () => {
    const accepted = await send(`${platform.url}/v1/workflow-chains/echo/run`, {
      method: 'POST',
      headers: { authorization: `Bearer ${person.token}`, 'content-type': 'text/plain' },
      body: 'just words',
    });
    const { body } = await reached('echo', String(accepted.body['run_id']), ended);
    expect(body).toMatchObject({ status: 'completed', input: 'just words', output: { text: 'just words' } });
  });
});

describe('failures', () => {
  test('an address that answers 4xx fails the run at once, with the reason', async () => {
    const refusing = await startSink(() => 400);
    const other = await startTestPlatform({ KEELSON_EGRESS_ALLOW: refusing.address });
    try {
      const owner = await other.signUp();
      const step = { kind: 'webhook', label: 'Out', config: { url: refusing.url } };
      await owner.call('POST', '/v1/workflow-chains', { body: { name: 'Bad', slug: 'bad', primary_steps: [step] } });
      const { body } = await owner.call('POST', '/v1/workflow-chains/bad/run', { body: { input: 'x' } });
      const end = await until(
        () => owner.call('GET', `/v1/workflow-chains/bad/runs/${String(body['run_id'])}`),
        (answer) => ended.includes(String(answer.body['status'])),
      );
      expect(end.body).toMatchObject({
        status: 'failed',
        error: { type: 'http_status' },
        primary_trace: [{ status: 'failed', attempt: 1 }],
      });
      expect(refusing.received).toHaveLength(1);
    } finally {
      await other.close();
      await refusing.close();
    }
  });

  test('a private address is refused', async () => {
    await create('inward', {
      primary_steps: [{ kind: 'webhook', label: 'Out', config: { url: 'http://169.254.169.254/latest' } }],
    });
    const refused = await person.call('PATCH', '/v1/workflow-chains/inward', {
      body: {
        name: 'inward',
        status: 'live',
        primary_steps: [{ kind: 'webhook', label: 'Out', config: { url: 'http://10.0.0.1/' } }],
      },
    });
    expect(refused).toMatchObject({
      status: 422,
      body: {
        blockers: [{ code: 'unsafe_url', field: 'primary_steps.0.config.url' }],
        detail: [{ loc: ['body', 'primary_steps', 0, 'config', 'url'] }],
      },
    });
    const end = await reached('inward', await start('inward', 'x'), ended);
    expect(end.body).toMatchObject({ status: 'failed', error: { type: 'address_refused' } });
  });

  test('a time that never comes fails the run and says so', async () => {
    const steps = ['* * * * *', '0 0 30 2 *'].map((cron) => ({ kind: 'schedule', label: cron, config: { cron } }));
    await create('never', { primary_steps: [...steps, { kind: 'notify', label: 'Out' }] });
    const end = await reached('never', await start('never', 'x'), ended);
    expect(end.body).toMatchObject({ status: 'failed', error: { type: 'config_invalid' } });
  });

  test('a missing secret is named', async () => {
    const step = { kind: 'webhook', label: 'Out', config: { url: sink.url, secret: '{{secret:NOT_THERE}}' } };
    await create('secretless', { primary_steps: [step] });
    const end = await reached('secretless', await start('secretless', 'x'), ended);
    expect(end.body).toMatchObject({
      status: 'failed',
      error: { type: 'secret_missing', message: expect.stringContaining('NOT_THERE') },
    });
  });
});

describe('limits', () => {
  const long = 'y'.repeat(9_000);
  const agents = Array.from({ length: 12 }, (_, index) => ({
    kind: 'agent',
    label: `a${index}`,
    config: { message: `${long} {{ text }}` },
  }));

  test('a plan too large to travel is loaded by the worker', async () => {
    await create('long', { primary_steps: agents });
    const end = await reached('long', await start('long', 'short'), ended);
    expect(end.body).toMatchObject({ status: 'completed' });
    expect(tracesOf(end)).toHaveLength(12);
  });

  test('a chain that compiles to too much is refused', async () => {
    const steps = Array.from({ length: 30 }, (_, index) => ({ kind: 'decide', label: `d${index}` }));
    const branches = [
      {
        name: 'all',
        steps: agents.map((step) => ({ ...step, config: {} })).concat(agents.map((step) => ({ ...step, config: {} }))),
      },
    ];
    const refused = await person.call('POST', '/v1/workflow-chains', {
      body: { name: 'Vast', primary_steps: steps, branches },
    });
    expect(refused).toMatchObject({ status: 422, body: { error: { details: [{ field: 'primary_steps' }] } } });
  });
});
