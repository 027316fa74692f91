import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Person } from '../support/api.js';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { agent, routes, sessionUser, texts, to, typesOf, type SessionUser } from '../support/sessions.js';
import { startSink, type Sink } from '../support/sink.js';
import { until } from '../support/until.js';

let shop: Sink;
let platform: TestPlatform;
let person: Person;
let user: SessionUser;

beforeAll(async () => {
  shop = await startSink();
  platform = await startTestPlatform({ KEELSON_EGRESS_ALLOW: shop.address });
  person = await platform.signUp();
  user = sessionUser(person);
  const tool = { name: 'find_order', method: 'POST', url: `${shop.url}/orders`, outputs: { found: '$.ok' } };
  expect((await person.call('POST', '/v1/workspace-tools', { body: tool })).status).toBe(201);
}, 60_000);
afterAll(async () => {
  await platform.close();
  await shop.close();
});

describe('an agent', () => {
  test('greets, answers, remembers, and ends with a last word; all of it can be read later', async () => {
    const id = await user.draw({
      nodes: [
        agent('root_agent', { greeting: 'Hello {{ vars.name }}.' }),
        { id: 'route', type: 'router' },
        { id: 'bye', type: 'end', config: { final_message: 'Goodbye, {{ vars.name }}.' } },
      ],
      edges: [to('root_agent', 'route'), to('route', 'bye', 'contains:bye', { label: 'leaving' })],
    });
    const begun = await user.start(id, { variables: { name: 'Ana' } });
    expect(begun).toMatchObject({ state: 'awaiting_input', active_node: 'root_agent', version: null, workflow_id: id });
    expect(begun.messages).toEqual([{ role: 'assistant', text: 'Hello Ana.', node_id: 'root_agent' }]);
    expect(begun.variables).toEqual({ name: 'Ana' });

    const first = await user.say(begun, 'Where is my parcel?');
    expect(first).toMatchObject({ state: 'awaiting_input', active_node: 'root_agent', error: null });
    expect(texts(first)).toEqual([expect.stringContaining('Where is my parcel?')]);
    expect(routes(first)).toEqual(['root_agent > route', 'route > root_agent']);
    expect(first.variables['_agent_memory_root_agent']).toHaveLength(2);

    const last = await user.say(begun, 'Thanks, bye');
    expect(last).toMatchObject({ state: 'ended', status: 'completed', active_node: null });
    expect(texts(last)).toEqual([expect.stringContaining('Thanks, bye'), 'Goodbye, Ana.']);
    expect(last.variables['_agent_memory_root_agent']).toHaveLength(4);
    expect(last.trace).toContainEqual({ type: 'workflow.node.route', node_id: 'route', to: 'bye', label: 'leaving' });

    const whole = await user.read(begun);
    expect(whole.messages.map(({ role, node_id: node }) => `${role} ${node}`)).toEqual([
      'assistant root_agent',
      'user root_agent',
      'assistant root_agent',
      'user root_agent',
      'assistant root_agent',
      'assistant bye',
    ]);
    expect(texts(whole).slice(0, 2)).toEqual(['Hello Ana.', 'Where is my parcel?']);
    expect(whole).toMatchObject({ state: 'ended', variables: last.variables });
    expect(whole.trace).toEqual([...first.trace, ...last.trace]);
    const refused = await person.call('POST', `/v1/runtime/workflows/sessions/${begun.session_id}/turns`, {
      body: { message: 'Still there?' },
    });
    expect(refused).toMatchObject({ status: 409, body: { error: { code: 'conflict' } } });
  });

  test('calls the tools of its workspace', async () => {
    const id = await user.draw({ nodes: [agent('root_agent', { tools: ['find_order'] })], edges: [] });
    const begun = await user.start(id);
    const before = shop.received.length;
    const found = await user.say(begun, 'Please find_order now');
    expect(shop.received.length).toBe(before + 1);
    expect(found.trace).toContainEqual({ type: 'workflow.tool.executed', node_id: 'root_agent', tool: 'find_order' });
    expect(found.variables).toMatchObject({ found: true });
    expect(texts(found)[0]).toContain('find_order gave');
    expect((await user.read(begun)).variables).toEqual(found.variables);
  });

  test('goes on where it was after the worker was restarted', async () => {
    const id = await user.draw({ nodes: [agent('root_agent', { greeting: 'Hi.' })], edges: [] });
    const begun = await user.start(id);
    await user.say(begun, 'one');
    await platform.restartWorker();
    const after = await user.say(begun, 'two');
    expect(texts(after)).toEqual([expect.stringContaining('two')]);
    expect(after.variables['_agent_memory_root_agent']).toMatchObject([{ content: 'one' }, {}, { content: 'two' }, {}]);
  });
});

describe('ways', () => {
  const graph = {
    nodes: [
      { id: 'in', type: 'trigger' },
      { id: 'route', type: 'router' },
      agent('billing', { greeting: 'Billing here.' }),
      agent('vip'),
      { id: 'decide', type: 'decision' },
      { id: 'done', type: 'end', config: { final_message: 'All done.' } },
      agent('chat'),
    ],
    edges: [
      to('in', 'route'),
      to('route', 'billing', 'contains:invoice', { priority: 1 }),
      to('route', 'vip', 'var.tier == gold', { priority: 2 }),
      to('route', 'decide', 'default', { priority: 0 }),
      to('decide', 'done', 'nothing'),
      to('decide', 'chat', 'else'),
    ],
  };
  let id: string;
  beforeAll(async () => {
    id = await user.draw(graph);
  });

  test('a trigger hands on what is said; the first condition in order wins, the fallback comes last', async () => {
    const taken = async (message: string, variables: object = {}) => {
      const begun = await user.start(id, { variables });
      expect(begun).toMatchObject({ state: 'awaiting_input', active_node: 'in' });
      expect(texts(begun)).toEqual(['Billing here.']);
      return user.say(begun, message);
    };
    expect(routes(await taken('my INVOICE is wrong', { tier: 'gold' }))).toEqual(['in > route', 'route > billing']);
    expect(routes(await taken('hello', { tier: 'gold' }))).toEqual(['in > route', 'route > vip']);
    const ended = await taken('nothing more');
    expect(routes(ended)).toEqual(['in > route', 'route > decide', 'decide > done']);
    expect(ended).toMatchObject({ state: 'ended', messages: [{ text: 'All done.', node_id: 'done' }] });
    expect(await taken('just chatting')).toMatchObject({ state: 'awaiting_input', active_node: 'chat' });
  });

  test('a first message is heard at once, and nobody is greeted', async () => {
    const begun = await user.start(id, { message: 'an invoice, please' });
    expect(begun).toMatchObject({ state: 'awaiting_input', active_node: 'billing' });
    expect(texts(begun)).toEqual([expect.stringContaining('an invoice, please')]);
    expect(texts(await user.read(begun))).toEqual(['an invoice, please', ...texts(begun)]);
  });
});

describe('other nodes', () => {
  test('a tool of the workspace sets variables, and the one who led to it listens again', async () => {
    const id = await user.draw({
      nodes: [
        agent('root_agent'),
        {
          id: 'look',
          type: 'tool',
          config: { tool_name: 'find_order', args: { q: '{{ message }}' } },
          save_as: 'order',
        },
      ],
      edges: [to('root_agent', 'look')],
    });
    const begun = await user.start(id);
    const turn = await user.say(begun, 'o-17');
    expect(JSON.parse(shop.received.at(-1)?.body ?? '')).toEqual({ q: 'o-17' });
    expect(turn).toMatchObject({ state: 'awaiting_input', active_node: 'root_agent', variables: { found: true } });
    expect(turn.variables['order']).toMatchObject({ tool: 'find_order', status: 200 });
    expect(typesOf(turn)).toContain('workflow.tool.executed');
    expect(await user.read(begun)).toMatchObject({ variables: turn.variables, trace: turn.trace });
  });

  test('knowledge fails with a sentence while none is connected, and can be routed', async () => {
    const ask = { id: 'know', type: 'knowledge', config: { collection: 'faq' } };
    const plain = await user.draw({ nodes: [{ id: 'in', type: 'trigger' }, ask], edges: [to('in', 'know')] });
    const failed = await user.say(await user.start(plain), 'How long?');
    expect(failed).toMatchObject({ state: 'ended', status: 'failed' });
    expect(failed.error).toMatchObject({ type: 'knowledge_not_configured', node_id: 'know' });
    const routed = await user.draw({
      nodes: [{ id: 'in', type: 'trigger' }, ask, agent('human')],
      edges: [to('in', 'know'), to('know', 'human', undefined, { port: 'error' })],
    });
    expect(await user.say(await user.start(routed), 'How long?')).toMatchObject({ active_node: 'human' });
  });

  test('a nested workflow takes part in the conversation until it ends', async () => {
    const inner = await user.draw({
      nodes: [agent('root_agent'), { id: 'back', type: 'end', config: { final_message: 'Back to you.' } }],
      edges: [to('root_agent', 'back', 'contains:back')],
    });
    await user.publish(inner);
    const id = await user.draw({
      nodes: [
        agent('root_agent'),
        { id: 'route', type: 'router' },
        { id: 'sub', type: 'workflow', config: { workflow_id: inner } },
      ],
      edges: [to('root_agent', 'route'), to('route', 'sub', 'contains:refund')],
    });
    const begun = await user.start(id);
    const inside = await user.say(begun, 'a refund');
    expect(inside).toMatchObject({ state: 'awaiting_input', active_node: 'sub.root_agent' });
    expect(inside.messages.map(({ node_id: node }) => node)).toEqual(['root_agent', 'sub.root_agent']);
    expect(typesOf(inside)).toContain('workflow.subworkflow.enter');
    expect(texts(await user.say(begun, 'more of it'))).toEqual([expect.stringContaining('more of it')]);
    const outside = await user.say(begun, 'take me back');
    expect(texts(outside)).toEqual([expect.stringContaining('take me back'), 'Back to you.']);
    expect(outside).toMatchObject({ active_node: 'root_agent' });
    const whole = await user.read(begun);
    expect(typesOf(whole)).toEqual([...typesOf(inside), ...typesOf(outside)]);
  });

  test('a bound agent answers in a run of its own what the user said', async () => {
    const bound = await user.draw({ nodes: [agent('root_agent')], edges: [] });
    await user.publish(bound);
    const id = await user.draw({
      nodes: [{ id: 'helper', type: 'flow-agent', config: { agent_id: bound } }],
      edges: [],
    });
    const begun = await user.start(id);
    expect(begun).toMatchObject({ state: 'awaiting_input', active_node: 'helper', messages: [] });
    const turn = await user.say(begun, 'Are you there?');
    expect(texts(turn)).toEqual([expect.stringContaining('Are you there?')]);
    expect(turn).toMatchObject({ state: 'awaiting_input', active_node: 'helper' });
    expect(typesOf(turn)).toContain('workflow.subworkflow.enter');
    expect(texts(await user.read(begun))).toEqual(['Are you there?', ...texts(turn)]);
  });

  test('what the studio does not publish is refused, and open to an automation', async () => {
    const nodes = ['script', 'set', 'human', 'parallel', 'wait', 'datastore'].map((type) => ({ id: type, type }));
    const id = await user.draw({ nodes: [{ id: 'in', type: 'trigger' }, ...nodes], edges: [] });
    const refused = await person.call('POST', `/v1/runtime/workflows/${id}/sessions`, { body: {} });
    expect(refused.status).toBe(422);
    const blockers = refused.body['blockers'] as readonly { readonly code: string; readonly node_id: string }[];
    expect(blockers.filter(({ code }) => code === 'blocked_type').map(({ node_id: node }) => node)).toEqual(
      nodes.map(({ id: node }) => node),
    );
    const automation = await user.draw(
      {
        nodes: [
          { id: 'in', type: 'start' },
          { id: 'ask', type: 'listen', config: { greeting: 'How many?' } },
          { id: 'count', type: 'set', config: { values: { count: { $expr: 'size(message)' } } } },
          { id: 'check', type: 'human', config: { prompt: 'May I?' } },
          { id: 'end', type: 'end', config: { final_message: 'Counted {{ vars.count }}.' } },
        ],
        edges: [to('in', 'ask'), to('ask', 'count'), to('count', 'check'), to('check', 'end')],
      },
      { engine: 'automation' },
    );
    const begun = await user.start(automation);
    expect(begun).toMatchObject({ state: 'awaiting_input', active_node: 'ask', messages: [{ text: 'How many?' }] });
    const asked = await user.say(begun, 'four');
    expect(asked).toMatchObject({ state: 'working', status: 'waiting', active_node: 'check', variables: { count: 4 } });
    const path = `/v1/runtime/workflows/sessions/${begun.session_id}`;
    const early = await person.call('POST', `${path}/turns`, { body: { message: 'hello?' } });
    expect(early.body.error?.message).toContain('"check" waits for something else');
    const { body: run } = await person.call('GET', `/v1/runs/${begun.session_id}`);
    const [wait] = run['waits'] as readonly { readonly token: string }[];
    const decided = { body: { decision: 'approve' } };
    await person.call('POST', `/v1/runs/${begun.session_id}/waits/${wait?.token ?? ''}`, decided);
    const ended = await until(
      () => user.read(begun),
      ({ state }) => state === 'ended',
    );
    expect(texts(ended)).toEqual(['How many?', 'four', 'Counted 4.']);
    expect(ended.variables).toEqual({ count: 4 });
  });
});

describe('sessions', () => {
  test('are of the draft, or of what is published', async () => {
    const graph = (greeting: string) => ({ nodes: [agent('root_agent', { greeting })], edges: [] });
    const id = await user.draw(graph('Old.'), { slug: 'greeter' });
    const early = await person.call('POST', `/v1/runtime/workflows/${id}/sessions`, { body: { use_draft: false } });
    expect(early.status).toBe(409);
    await user.publish(id);
    await person.call('PUT', `/v1/workflows/${id}/graph`, { body: graph('New.') });
    expect(await user.start('greeter')).toMatchObject({ messages: [{ text: 'New.' }], version: null });
    const live = await user.start('greeter', { use_draft: false });
    expect(live).toMatchObject({ messages: [{ text: 'Old.' }], version: 1 });
    await user.say(live, 'hi');
    const listed = await person.call('GET', '/v1/runtime/workflows/greeter/sessions?limit=1');
    expect(listed.body).toMatchObject({
      total: 2,
      limit: 1,
      offset: 0,
      items: [
        {
          session_id: live.session_id,
          turns: 1,
          state: 'awaiting_input',
          status: 'waiting',
          version: 1,
          use_draft: false,
        },
      ],
    });
    const older = await person.call('GET', '/v1/runtime/workflows/greeter/sessions?offset=1');
    expect(older.body).toMatchObject({ items: [{ turns: 0, version: null, use_draft: true, ended_at: null }] });
  });

  test('a turn sent again under its Idempotency-Key is one turn', async () => {
    const id = await user.draw({ nodes: [agent('root_agent')], edges: [] });
    const begun = await user.start(id);
    const path = `/v1/runtime/workflows/sessions/${begun.session_id}/turns`;
    const sent = { body: { message: 'once' }, headers: { 'idempotency-key': 'turn-1' } };
    const [first, twin] = await Promise.all([person.call('POST', path, sent), person.call('POST', path, sent)]);
    expect(twin.body).toEqual(first.body);
    // the answer may be lost with the process that was to store it: the turn is then known to the run itself
    await platform.db
      .updateTable('idempotency_keys')
      .set({ status: null, reply: null, claimed_until: new Date(0) })
      .execute();
    expect((await person.call('POST', path, sent)).body['messages']).toEqual(first.body['messages']);
    expect(texts(await user.read(begun))).toEqual(['once', expect.any(String)]);
  });

  test('that are over before anybody can listen are told whole', async () => {
    const nodes = [
      { id: 'in', type: 'start' },
      { id: 'end', type: 'end', config: { final_message: 'That was quick.' } },
    ];
    const id = await user.draw({ nodes, edges: [to('in', 'end')] }, { engine: 'automation' });
    expect(await user.start(id)).toMatchObject({ state: 'ended', messages: [{ text: 'That was quick.' }] });
  });

  test('end with the run they are', async () => {
    const id = await user.draw({ nodes: [agent('root_agent')], edges: [] });
    const begun = await user.start(id);
    await person.call('POST', `/v1/runs/${begun.session_id}/cancel`, { body: {} });
    const ended = await until(
      () => user.read(begun),
      ({ state }) => state === 'ended',
    );
    expect(ended).toMatchObject({ status: 'cancelled', active_node: null });
  });
});
