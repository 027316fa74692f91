import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { agent, openDesk, routes, texts, to, type Desk } from '../support/sessions.js';
import { until } from '../support/until.js';

let desk: Desk;
let platform: Desk['platform'];
let person: Desk['person'];
let user: Desk['user'];
let shop: Desk['shop'];

beforeAll(async () => {
  desk = await openDesk();
  ({ platform, person, user, shop } = desk);
}, 60_000);
afterAll(() => desk.close());

describe('an agent', () => {
  test('greets, answers, remembers, and ends with a last word; all of it can be read later', async () => {
    const id = await user.draw({
      nodes: [
        agent('root_agent', { greeting: 'Hello {{ vars.name }}.' }),
        { id: 'route', type: 'router' },
        { id: 'bye', type: 'end', config: { final_message: 'Goodbye, {{ vars.name }}.' } },
      ],
      edges: [to('root_agent', 'route'), to('route', 'bye', { expr: 'contains:bye', label: 'leaving' })],
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
      to('route', 'billing', { expr: 'contains:invoice', priority: 1 }),
      to('route', 'vip', { expr: 'var.tier == gold', priority: 2 }),
      to('route', 'decide', { expr: 'default', priority: 0 }),
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
