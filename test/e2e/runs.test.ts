import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runWorkflowId } from '../../workflows/contract/ids.js';
import type { Plan, PlanNode } from '../../workflows/definition/plan.js';
import type { Person } from '../support/api.js';
import { publish, runAt } from '../support/commands.js';
import { buildPlan, edge, linePlan, node, pass } from '../support/plans.js';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { startSink, type Sink } from '../support/sink.js';
import { until } from '../support/until.js';

let platform: TestPlatform;
let sink: Sink;
let person: Person;
/** What the sink answers, by request. */
let answers: (index: number) => number = () => 200;

beforeAll(async () => {
  sink = await startSink((index) => answers(index));
  platform = await startTestPlatform({ KEELSON_EGRESS_ALLOW: sink.address });
  person = await platform.signUp();
}, 120_000);
afterAll(async () => {
  await platform.close();
  await sink.close();
});

const ended: readonly unknown[] = ['completed', 'failed', 'cancelled'];
let count = 0;

async function publishPlan(plan: Plan): Promise<string> {
  count += 1;
  const { id } = await publish(platform.db, person, { slug: `e2e-${count}`, plan });
  return id;
}

const call = (path: string, body: object = {}, as: Person = person) => as.call('POST', path, { body });

/** Publishes the plan and starts it; answers the run's id. */
async function started(plan: Plan, input: unknown = null): Promise<string> {
  const accepted = await call('/v1/runs', { definition: await publishPlan(plan), input });
  expect(accepted.status).toBe(202);
  return String(accepted.body['id']);
}

interface Run {
  readonly status: string;
  readonly output: unknown;
  readonly error: { readonly type: string } | null;
  readonly waits: readonly { readonly token: string; readonly kind: string }[];
  readonly steps: readonly { readonly key: string; readonly status: string; readonly decided_by: string | null }[];
  readonly children: readonly { readonly run_id: string }[];
}

const look = async (runId: string): Promise<Run> =>
  // -- reason: what GET /v1/runs/{id} answers; a test that gets another fails at its first use
  (await person.call('GET', `/v1/runs/${runId}`)).body as unknown as Run;
const reached = (runId: string, fits: (run: Run) => boolean) => until(() => look(runId), fits);
const waiting = async (runId: string): Promise<string> => {
  const { waits } = await reached(runId, (run) => run.waits.length > 0);
  return waits[0]?.token ?? '';
};
const over = (runId: string) => reached(runId, ({ status }) => ended.includes(status));

/** Another person in the same workspace. */
async function colleague(role: 'developer' | 'editor'): Promise<Person> {
  const other = await platform.signUp();
  const workspace_id = person.workspace.id;
  await platform.db.insertInto('memberships').values({ user_id: other.userId, workspace_id, role }).execute();
  const call: Person['call'] = (method, path, sent = {}) =>
    other.call(method, path, { ...sent, headers: { ...sent.headers, 'x-workspace-id': workspace_id } });
  return { ...other, call };
}

const post = (id: string, more: Parameters<typeof node>[3] = {}): PlanNode =>
  node('http', id, { method: 'POST', url: sink.url, body: id }, { policy: { maxAttempts: 1 }, ...more });

describe('starting', () => {
  test('a run that ends in time answers its output', async () => {
    const source = 'return { sum: input.a + input.b };';
    const definition = await publishPlan(linePlan(node('code', 'add', { source })));
    const answered = await call('/v1/runs', { definition, input: { a: 2, b: 3 }, wait: 30 });
    expect(answered).toMatchObject({ status: 200, body: { status: 'completed', output: { sum: 5 } } });
  });

  test('a respond node answers the caller while the run goes on', async () => {
    const plan = linePlan(
      node('respond', 'say', { body: { ticket: '{{ input.id }}' } }),
      node('approval', 'ask', { prompt: 'Ok?' }),
    );
    const definition = await publishPlan(plan);
    const answered = await call('/v1/runs', { definition, input: { id: 7 }, wait: 30 });
    expect(answered).toMatchObject({ status: 200, body: { output: { ticket: 7 } } });
    const runId = String(answered.body['id']);
    await call(`/v1/runs/${runId}/waits/${await waiting(runId)}`, { decision: 'approve' });
    expect((await over(runId)).status).toBe('completed');
  });
});

describe('drafts', () => {
  const draft = async (nodes: readonly object[], edges: readonly object[]): Promise<string> => {
    const made = await call('/v1/workflows', { name: 'Drafted' });
    const id = String(made.body['id']);
    const graph = { engine: 'automation', nodes, edges };
    expect(await person.call('PUT', `/v1/workflows/${id}/graph`, { body: graph })).toMatchObject({ status: 200 });
    return id;
  };

  test('a graph that was never published runs as it is when its draft is asked for', async () => {
    const source = 'return input.n + 1;';
    const nodes = [
      { id: 'in', type: 'start', config: {} },
      { id: 'add', type: 'code', config: { source } },
    ];
    const definition = await draft(nodes, [{ source: 'in', target: 'add' }]);
    expect((await call('/v1/runs', { definition, input: { n: 1 } })).status).toBe(409);
    const body = { definition, input: { n: 1 }, version: 'draft', wait: 30 };
    expect(await call('/v1/runs', body)).toMatchObject({ status: 200, body: { output: 2, version: null } });
  });

  test('one that cannot run yet says what to mend', async () => {
    const definition = await draft([{ id: 'add', type: 'code', config: {} }], []);
    const refused = await call('/v1/runs', { definition, version: 'draft' });
    expect(refused.status).toBe(422);
    expect(refused.body['blockers']).not.toEqual([]);
  });
});

describe('decisions', () => {
  test('two of those asked must approve, each once, and not whoever started it', async () => {
    const config = { prompt: 'Refund?', quorum: 2, audience: ['role:developer'], forbid_own: true };
    const runId = await started(linePlan(node('approval', 'ask', config), pass('after')));
    const path = `/v1/runs/${runId}/waits/${await waiting(runId)}`;
    const [one, two, editor] = [await colleague('developer'), await colleague('developer'), await colleague('editor')];
    expect((await call(path, { decision: 'approve' })).status).toBe(403);
    expect((await call(path, { decision: 'approve' }, editor)).status).toBe(403);
    expect((await call(path, { decision: 'approve' }, one)).body).toMatchObject({
      status: 'waiting',
      wait: { status: 'pending', votes: [{ by: one.userId }] },
    });
    expect((await call(path, { decision: 'approve' }, one)).status).toBe(403);
    expect((await call(path, { decision: 'approve' }, two)).body).toMatchObject({ wait: { status: 'approved' } });
    const run = await over(runId);
    expect(run.status).toBe('completed');
    expect((await call(path, { decision: 'approve' }, two)).status).toBe(409);
  });
});

describe('events', () => {
  const orders = linePlan(node('wait_event', 'paid', { name: 'paid', key: '{{ run.input.order }}' }));

  test('reach the run that waits for their key, once', async () => {
    const [one, other] = [await started(orders, { order: 'a1' }), await started(orders, { order: 'a2' })];
    await Promise.all([waiting(one), waiting(other)]);
    const event = { name: 'paid', key: 'a1', id: 'pay-1', payload: { amount: 3 } };
    expect((await call('/v1/events', event)).body).toEqual({ id: 'pay-1', duplicate: false, delivered_to: [one] });
    expect((await call('/v1/events', event)).body).toMatchObject({ duplicate: true });
    expect(await over(one)).toMatchObject({ status: 'completed', output: { amount: 3 } });
    expect((await look(other)).status).toBe('waiting');
    await call(`/v1/runs/${other}/events`, { name: 'paid', payload: 'direct' });
    expect(await over(other)).toMatchObject({ status: 'completed', output: 'direct' });
  });

  test('that come early are found when the run comes to wait', async () => {
    const plan = linePlan(
      node('approval', 'first', { prompt: 'Go on?' }),
      node('wait_event', 'paid', { name: 'early' }),
    );
    const runId = await started(plan);
    const token = await waiting(runId);
    await call('/v1/events', { name: 'early', payload: 1 });
    await call(`/v1/runs/${runId}/waits/${token}`, { decision: 'approve' });
    expect(await over(runId)).toMatchObject({ status: 'completed', output: 1 });
  });

  test('of two names with one id are two events', async () => {
    const plan = linePlan(node('wait_event', 'a', { name: 'one' }), node('wait_event', 'b', { name: 'two' }));
    const runId = await started(plan);
    await waiting(runId);
    await call(`/v1/runs/${runId}/events`, { name: 'one', id: '1', payload: 'first' });
    await call(`/v1/runs/${runId}/events`, { name: 'two', id: '1', payload: 'second' });
    expect(await over(runId)).toMatchObject({ status: 'completed', output: 'second' });
  });
});

describe('moving', () => {
  test('a paused run starts nothing until it goes on', async () => {
    const runId = await started(linePlan(node('approval', 'ask', { prompt: 'Ok?' }), post('after-pause')));
    const token = await waiting(runId);
    expect(await call(`/v1/runs/${runId}/pause`)).toMatchObject({ status: 200, body: { status: 'paused' } });
    expect((await look(runId)).status).toBe('paused');
    expect((await call(`/v1/runs/${runId}/pause`)).status).toBe(409);
    expect((await call(`/v1/runs/${runId}/unpause`)).status).toBe(200);
    expect((await call(`/v1/runs/${runId}/unpause`)).status).toBe(409);
    await call(`/v1/runs/${runId}/waits/${token}`, { decision: 'approve' });
    expect((await over(runId)).status).toBe('completed');
    expect((await call(`/v1/runs/${runId}/pause`)).status).toBe(409);
  });

  test('a parked node is tried again with another configuration', async () => {
    answers = () => 500;
    const policy = { maxAttempts: 1, onError: { action: 'park' } } as const;
    const runId = await started(linePlan(post('call', { policy })));
    await reached(runId, ({ steps }) => steps.some(({ status }) => status === 'parked'));
    answers = () => 200;
    const patch = { method: 'PUT' };
    expect((await call(`/v1/runs/${runId}/retry`, { node_id: 'call', patch })).status).toBe(200);
    expect((await over(runId)).status).toBe('completed');
    expect((await call(`/v1/runs/${runId}/retry`, { node_id: 'call' })).status).toBe(409);
  });
});

describe('stopping', () => {
  const asks = linePlan(node('approval', 'ask', { prompt: 'Ok?' }));

  async function withChild(): Promise<{ readonly runId: string; readonly childId: string }> {
    const child = await publishPlan(asks);
    const runId = await started(linePlan(node('subflow', 'sub', { definition: child })));
    const { children } = await reached(runId, (run) => run.children.length > 0);
    const childId = children[0]?.run_id ?? '';
    await waiting(childId);
    return { runId, childId };
  }

  test('cancelling reaches the runs it waits for and undoes what can be undone', async () => {
    const plan = buildPlan(
      [post('charge', { undo: 'refund' }), node('approval', 'ask', { prompt: 'Ok?' }), post('refund')],
      [edge('charge', 'ask')],
    );
    const undone = await started(plan);
    await waiting(undone);
    const before = sink.received.length;
    expect((await call(`/v1/runs/${undone}/cancel`, { reason: 'wrong' })).status).toBe(202);
    expect((await over(undone)).status).toBe('cancelled');
    expect(sink.received.slice(before).map(({ body }) => body)).toEqual(['refund']);
    const { runId, childId } = await withChild();
    await call(`/v1/runs/${runId}/cancel`);
    expect([(await over(runId)).status, (await over(childId)).status]).toEqual(['cancelled', 'cancelled']);
  });

  test('terminating stops it on the spot and cancels the runs it waits for', async () => {
    const { runId, childId } = await withChild();
    expect((await call(`/v1/runs/${runId}/terminate`)).body).toMatchObject({ status: 'cancelled' });
    expect(await look(runId)).toMatchObject({ status: 'cancelled', error: { type: 'terminated' } });
    expect((await over(childId)).status).toBe('cancelled');
  });

  test('a run that Temporal has not heard of never begins once it is cancelled', async () => {
    const run = await runAt(platform.db, person, { status: 'queued', plan: linePlan(post('never')) });
    const before = sink.received.length;
    const first = await call(`/v1/runs/${run.runId}/cancel`);
    expect(first).toMatchObject({ status: 202, body: { status: 'cancelled' } });
    expect((await call(`/v1/runs/${run.runId}/cancel`)).status).toBe(202);
    const handle = platform.client.workflow.getHandle(runWorkflowId(run.workspaceId, run.runId));
    await expect(handle.result()).rejects.toThrow();
    expect(sink.received.slice(before)).toEqual([]);
    expect((await look(run.runId)).steps).toEqual([]);
  });
});

describe('going back', () => {
  test('a failed run goes on from its failed step, mended, and does nothing twice', async () => {
    answers = (index) => (sink.received[index]?.body === 'second' ? 500 : 200);
    const runId = await started(linePlan(post('first'), post('second')));
    expect((await over(runId)).status).toBe('failed');
    answers = () => 200;
    const before = sink.received.length;
    const patch = { nodes: { second: { body: 'mended' } } };
    const accepted = await call(`/v1/runs/${runId}/continue`, { patch });
    expect(accepted).toMatchObject({ status: 202, body: { reused: 1 } });
    const run = await over(String(accepted.body['id']));
    expect(run.status).toBe('completed');
    expect(run.steps.map(({ key, decided_by }) => [key, decided_by])).toEqual([
      ['first/1', expect.stringContaining('reused')],
      ['second/1', null],
    ]);
    expect(sink.received.slice(before).map(({ body }) => body)).toEqual(['mended']);
  });

  test('a run is replayed on another input', async () => {
    const runId = await started(linePlan(node('code', 'twice', { source: 'return input * 2;' })), 4);
    await over(runId);
    const again = await call(`/v1/runs/${runId}/replay`, { input: 5 });
    expect(await over(String(again.body['id']))).toMatchObject({ status: 'completed', output: 10 });
  });
});

test('many failures of one cause are continued together', async () => {
  answers = () => 500;
  const definition = await publishPlan(linePlan(post('flaky')));
  const runs = [];
  for (let index = 0; index < 3; index += 1) {
    const accepted = await call('/v1/runs', { definition, input: index });
    runs.push(String(accepted.body['id']));
  }
  for (const runId of runs) await over(runId);
  answers = () => 200;
  const groups = await person.call('GET', `/v1/runs/failures?definition=${definition}`);
  const [group] = groups.body['items'] as { fingerprint: string; count: number }[];
  expect(group?.count).toBe(3);
  const done = await call('/v1/runs/bulk', { filter: { fingerprint: group?.fingerprint }, action: 'continue' });
  expect(done.body).toMatchObject({ matched: 3, done: 3 });
  await until(
    () => person.call('GET', `/v1/runs?definition=${definition}&status=completed`),
    ({ body }) => (body['items'] as unknown[]).length === 3,
  );
});
