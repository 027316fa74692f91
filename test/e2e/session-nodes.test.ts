import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { agent, openDesk, texts, to, typesOf, type Desk } from '../support/sessions.js';
import { until } from '../support/until.js';

let desk: Desk;
let person: Desk['person'];
let user: Desk['user'];
let shop: Desk['shop'];

beforeAll(async () => {
  desk = await openDesk();
  ({ person, user, shop } = desk);
}, 60_000);
afterAll(() => desk.close());

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
    edges: [to('in', 'know'), to('know', 'human', { port: 'error' })],
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
