import { afterEach, describe, expect, test } from '@jest/globals';
import { createNodeRunners } from '../../activities/nodes/runner.js';
import { readJsonPath } from '../../activities/nodes/json-path.js';
import { namesOf } from '../../workflows/definition/expressions.js';
import type { Json } from '../../workflows/definition/values.js';
import type { WorkspaceTool } from '../../db/workspace-tools.js';
import { buildContext, buildDeps, EMPTY_SCOPE, failureOf, startHttpPeer, type HttpPeer } from './peers.js';

const peers: HttpPeer[] = [];
const peerOf = async (json: Json = { ok: true }, status = 200): Promise<HttpPeer> => {
  const peer = await startHttpPeer((response) =>
    response
      .writeHead(status, { 'content-type': 'application/json', 'set-cookie': 'a=b', 'retry-after': '7' })
      .end(JSON.stringify(json)),
  );
  peers.push(peer);
  return peer;
};
const { http, tool: toolRunner } = createNodeRunners(buildDeps());
const input = { id: 7, list: [1, 2], name: 'Ünal' };

afterEach(async () => {
  await Promise.all(peers.splice(0).map(({ close }) => close()));
});

describe('http', () => {
  test('sends what its templates and mappings give, typed as they are', async () => {
    const peer = await peerOf();
    const config = {
      method: 'PUT',
      url: `${peer.url}/items/{{ input.id }}`,
      query: { q: '{{ input.name }}', run: '{{ run.id }}' },
      headers: { Authorization: 'Bearer {{secret:KEY}}', 'X-Key': '{{ idempotency_key }}' },
      body: {
        id: '{{ input.id }}',
        list: '{{ input.list }}',
        text: 'no. {{ input.id }}',
        sum: { $expr: 'vars.a + 1' },
        secret: 'x{{ secret:KEY }}',
        deep: [{ last: '{{ steps.before.n }}' }],
      },
    } as const;
    const names = namesOf({ ...EMPTY_SCOPE, input, vars: { a: 1 }, steps: { before: { n: null } } });
    const { output } = await http(buildContext('http', config, { input, names, secrets: { KEY: 'k-123456' } }));
    expect(output).toMatchObject({ status: 200, body: { ok: true } });
    expect(output).not.toHaveProperty('headers.set-cookie');
    const [sent] = peer.requests;
    expect(sent).toMatchObject({ method: 'PUT', path: '/items/7?q=%C3%9Cnal&run=run_1' });
    expect(JSON.parse(sent?.body ?? '')).toEqual({
      id: 7,
      list: [1, 2],
      text: 'no. 7',
      sum: 2,
      secret: 'xk-123456',
      deep: [{ last: null }],
    });
    expect(sent?.headers).toMatchObject({
      authorization: 'Bearer k-123456',
      'x-key': 'run_1/step-2/1',
      'idempotency-key': 'run_1/step-2/1',
      'content-type': 'application/json',
    });
  });

  test('a plain text is sent as text, unless its type says otherwise', async () => {
    const peer = await peerOf();
    const config = { method: 'POST', url: peer.url, body: 'id={{ input.id }}' } as const;
    await http(buildContext('http', config, { input }));
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
    await http(buildContext('http', { ...config, headers: form }, { input }));
    expect(peer.requests.map(({ body, headers }) => [body, headers['content-type']])).toEqual([
      ['id=7', 'text/plain; charset=utf-8'],
      ['id=7', 'application/x-www-form-urlencoded'],
    ]);
  });

  test('sets variables from the body; what is not there is null', async () => {
    const peer = await peerOf({ data: { items: [{ 'a b': 1 }, { id: 'last' }] } });
    const outputs = {
      first: "$.data.items[0]['a b']",
      last: '$.data.items[-1].id',
      gone: '$.data.nothing[3].x',
      all: '$',
    };
    const { vars } = await http(buildContext('http', { method: 'GET', url: peer.url, outputs }));
    expect(vars).toMatchObject({ first: 1, last: 'last', gone: null, all: { data: {} } });
  });

  test('takes the statuses its author takes, and fails on others as retryable as they are', async () => {
    const gone = await peerOf({ gone: true }, 404);
    const config = { method: 'GET', url: gone.url } as const;
    const { output } = await http(buildContext('http', { ...config, accept_status: [404] }));
    expect(output).toMatchObject({ status: 404, body: { gone: true } });
    expect(await failureOf(http(buildContext('http', config)))).toMatchObject({
      type: 'http_status',
      retryable: false,
    });
    const busy = await peerOf({}, 429);
    const failure = await failureOf(http(buildContext('http', { ...config, url: busy.url })));
    expect(failure).toMatchObject({ type: 'http_status', retryable: true, retryAfterMs: 7_000 });
  });

  test.each([
    [{ method: 'GET', body: {} }, 'a GET carries none'],
    [{ method: 'GET', url: 'http://10.0.0.1/' }, 'local, private or reserved'],
    [{ method: 'GET', url: '{{ input.nowhere }}' }, 'not a valid URL'],
    [{ method: 'GET', headers: { Host: 'x' } }, 'set by the platform'],
    [{ method: 'POST', body: { a: { $expr: 'vars.gone.x' } } }, 'body: '],
    [{ method: 'GET', outputs: { a: 'data.id' } }, 'outputs.a: "data.id" is no JSONPath'],
  ] as const)('%j is refused with a sentence', async (config, problem) => {
    const peer = await peerOf();
    const failure = await failureOf(http(buildContext('http', { url: peer.url, ...config })));
    expect(failure.retryable).toBe(false);
    expect(failure.message).toContain(problem);
  });
});

test.each([
  ['$', []],
  ['$.a.b[0].c', ['a', 'b', 0, 'c']],
  [`$['x.y']["z"][-1]`, ['x.y', 'z', -1]],
  ['a.b', null],
  ['$..a', null],
  ['$[*]', null],
  ['$.a b', null],
] as const)('%s is read as %j', (path, steps) => {
  expect(readJsonPath(path)).toEqual(steps);
});

describe('tool', () => {
  const tool = (url: string, more: Partial<WorkspaceTool> = {}): WorkspaceTool => ({
    name: 'refund',
    description: '',
    method: 'POST',
    url: `${url}/refunds/{{ order }}`,
    headers: { 'X-Key': '{{secret:KEY}}' },
    body: null,
    parameters: {
      type: 'object',
      properties: { order: { type: 'string' }, amount: { type: 'number', maximum: 100 } },
      required: ['order'],
      additionalProperties: false,
    },
    outputs: { refund: '$.id' },
    ...more,
  });
  const runnerOf = (found: WorkspaceTool) =>
    createNodeRunners(
      buildDeps({
        tool: (workspaceId, name) => Promise.resolve(workspaceId === 'ws_1' && name === found.name ? found : undefined),
      }),
    ).tool;
  const context = (args: Readonly<Record<string, Json>>, name = 'refund') =>
    buildContext('tool', { tool_name: name, args }, { input, secrets: { KEY: 'k-123456' } });

  test('sends its arguments, answers with them, and sets its variables', async () => {
    const peer = await peerOf({ id: 're_1' });
    const answer = await runnerOf(tool(peer.url))(
      context({ order: 'o-{{ input.id }}', amount: { $expr: 'input.id * 2' } }),
    );
    expect(answer.output).toMatchObject({
      tool: 'refund',
      args: { order: 'o-7', amount: 14 },
      status: 200,
      body: { id: 're_1' },
    });
    expect(answer.vars).toEqual({ refund: 're_1' });
    expect(peer.requests[0]).toMatchObject({ path: '/refunds/o-7', body: '{"order":"o-7","amount":14}' });
    expect(peer.requests[0]?.headers).toMatchObject({ 'x-key': 'k-123456', 'content-type': 'application/json' });
  });

  test('a body of its own is filled from the arguments alone', async () => {
    const peer = await peerOf();
    const body = { ref: '{{ args.order }}', input: '{{ input.order }}', vars: '{{ vars }}' };
    await runnerOf(tool(peer.url, { body }))(context({ order: 'o' }));
    expect(JSON.parse(peer.requests[0]?.body ?? '')).toEqual({ ref: 'o', input: 'o', vars: null });
  });

  test.each([
    [{}, 'order is required'],
    [{ order: 5 }, 'order must be a string'],
    [{ order: 'o', amount: 101 }, 'amount must be <= 100'],
    [{ order: 'o', more: 1 }, 'more is not known here; remove it'],
  ])('arguments %j do not fit', async (args, problem) => {
    const peer = await peerOf();
    const failure = await failureOf(runnerOf(tool(peer.url))(context(args)));
    expect(failure).toMatchObject({ type: 'args_invalid', retryable: false });
    expect(failure.message).toContain(problem);
    expect(peer.requests).toHaveLength(0);
  });

  test('a tool that is not there, or whose schema is none, is said so', async () => {
    expect(await failureOf(toolRunner(context({})))).toMatchObject({ type: 'config_invalid', retryable: false });
    const wrong = tool('http://127.0.0.1', { parameters: { type: 'nonsense' } });
    const failure = await failureOf(runnerOf(wrong)(context({})));
    expect(failure.message).toContain('The parameters of the tool "refund": is no JSON Schema');
  });
});
