import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { DagDocument } from '../../workflows/definition/agents/dag-document.js';
import { dagAlone } from '../../workflows/definition/agents/dag-plan.js';
import { renderTemplate } from '../../workflows/definition/expressions.js';
import type { NodeOf, Plan } from '../../workflows/definition/plan.js';
import { actionTool, compileDagWith, dag, dagPlan, greeter, known, named } from '../support/dags.js';
import { nodeIn, waysFrom } from '../support/graphs.js';

const line = dag(['a!', 'b.'], [['a', 'b']]);

const turnOf = (plan: Plan, id: string): NodeOf<'agent_turn'> => {
  const node = nodeIn(plan, id);
  if (node.kind !== 'agent_turn') throw new Error(`${id} is a ${node.kind}`);
  return node;
};

const listenOf = (plan: Plan, id: string): NodeOf<'listen'> => {
  const node = nodeIn(plan, `${id}.listen`);
  if (node.kind !== 'listen') throw new Error(`${id} is a ${node.kind}`);
  return node;
};

test('a greeting knows the user, the context, what was passed on and the variables of the prompt', () => {
  const greeting =
    'Hi {{ user.name }}, {{ context.order }} of {{ context.city }} for {{ company }} {{ "x" | upcase }}.';
  const variables = [{ name: 'company', default: 'A & {{B}}' }];
  const agents = [named('b', { prompt: { system: 'x', greeting, variables } })];
  const plan = dagPlan(dag(['a!', 'b.'], [['a', 'b', ['order']]]), agents);
  const { config, reads } = listenOf(plan, 'b');
  const vars = {
    ...{ user: { name: 'Ana' }, context: { order: 'old', city: 'Rome' }, flags: {} },
    agent_context: { b: { order: 'o-7' } },
  };
  expect(reads).toEqual({ vars: true });
  expect(renderTemplate(config.greeting ?? '', { vars })).toBe('Hi Ana, o-7 of Rome for A & {{B}} X.');
  expect(renderTemplate(config.greeting ?? '', { vars: { ...vars, user: { company: 'Us' } } })).toContain('for Us X');
});

describe('the plan', () => {
  test('listens for a hangup beside the first agent, and each agent stays, hands over or ends', () => {
    const plan = dagPlan(line, [named('a'), greeter('b')]);
    expect(plan.entry).toBe('call');
    expect(waysFrom(plan, 'call').map(([to]) => to)).toEqual(['hangup', 'a.listen']);
    expect(nodeIn(plan, 'hangup')).toMatchObject({ kind: 'wait_event', config: { name: 'call.hangup' } });
    expect(nodeIn(plan, 'hung_up')).toMatchObject({ kind: 'end', config: { terminate: true } });
    expect(waysFrom(plan, 'a').map(([to]) => to)).toEqual(['b.listen', 'call.completed', 'a.listen']);
    expect(waysFrom(plan, 'b').map(([to]) => to)).toEqual(['call.completed', 'b.listen']);
    expect(nodeIn(plan, 'b.listen')).toMatchObject({ label: 'b', dialectKind: 'listen' });
    expect(turnOf(plan, 'b')).toMatchObject({ label: 'b', dialectKind: 'agent_turn', says: true });
  });

  test('an agent without a greeting answers what was said to the one before it', () => {
    expect(waysFrom(dagPlan(line), 'a').map(([to]) => to)).toEqual(['b', 'call.completed', 'a.listen']);
  });

  test('carries what the agent says of itself', () => {
    const config = {
      prompt: {
        system: 'Be kind, {{ company }}.',
        variables: [{ name: 'company', default: 'ACME' }, { name: 'none' }],
      },
      llm: { model: 'small', temperature: 0.2 },
      session: { auto_disconnect_timeout: 30 },
      tools: ['note'],
    };
    const tool = actionTool('note', { actions: [{ type: 'flag.set', flag: 'noted' }] });
    const plan = dagPlan(dag(['a!', 'b.'], [['a', 'b']], { shared_context: ['name'] }), [named('a', config)], [tool]);
    expect(turnOf(plan, 'a').config).toMatchObject({
      ...{ agent: 'a', system: 'Be kind, {{ company }}.', variables: { company: 'ACME', none: null } },
      ...{ model: 'small', temperature: 0.2, memory: true, shared: ['name'], answers: 'turn', tools: [tool] },
    });
    expect(listenOf(plan, 'a').config).toEqual({ timeout_seconds: 30 });
    expect(waysFrom(plan, 'a.listen')).toEqual([
      ['a', 'out', 'always'],
      ['call.timeout', 'timeout', 'always'],
    ]);
  });

  test('an exit may end the call, and so may a node that leads nowhere', () => {
    const plan = dagPlan(
      dag(
        ['a!.', 'b', 'c.'],
        [
          ['a', 'b'],
          ['a', 'c'],
        ],
      ),
    );
    expect(['a', 'b', 'c'].map((id) => turnOf(plan, id).config.may_end)).toEqual([true, true, true]);
    expect(turnOf(dagPlan(line), 'a').config.may_end).toBeUndefined();
  });

  test('handoffs have the conditions of the agent and what is passed', () => {
    const document = dag(
      ['a!', 'b.', 'c.'],
      [
        ['a', 'b', ['name', 'order']],
        ['a', 'c'],
      ],
    );
    const handoffs = [
      { target_agent: 'b', conditions: ['flags.verified', '{{context.order}}', 'user.age > 17'] },
      { target_agent: 'stranger', conditions: ['flags.x'] },
    ];
    const b = named('b', {}, { displayName: 'Billing', description: 'Answers about invoices.' });
    const plan = dagPlan(document, [named('a', { handoffs }), b]);
    expect(turnOf(plan, 'a').config.handoffs).toEqual([
      {
        ...{ agent: 'b', node: 'b', description: 'Hands the call over to Billing: Answers about invoices.' },
        conditions: [
          'truthy(flags.?verified.orValue(null))',
          'truthy(context.?order.orValue(null))',
          'user.?age.hasValue() && user.age > 17',
        ],
        passes: [{ node: 'b', keys: ['name', 'order'] }],
      },
      { agent: 'c', node: 'c', description: 'Hands the call over to c.', conditions: [], passes: [] },
    ]);
  });

  test('what is passed to a node that may be skipped goes along to those behind it', () => {
    const b = { id: 'b', agent_name: 'b', skip_condition: 'flags.known' };
    const document = dag(
      ['a!', b, 'c.', 'd.'],
      [
        ['a', 'b', ['x', 'y']],
        ['b', 'c', ['y', 'z']],
        ['b', 'd'],
      ],
    );
    expect(turnOf(dagPlan(document), 'a').config.handoffs[0]?.passes).toEqual([
      { node: 'b', keys: ['x', 'y'] },
      { node: 'c', keys: ['y'] },
    ]);
  });

  test('a skipped node gives way to the first behind it that is not', () => {
    const skipped = (id: string) => ({ id, agent_name: id, skip_condition: `flags.no_${id}` });
    const document = dag(
      ['a!', skipped('b'), skipped('c'), 'd.'],
      [
        ['a', 'b'],
        ['b', 'c'],
        ['b', 'd'],
        ['c', 'd'],
      ],
    );
    const plan = dagPlan(document, [greeter('d')]);
    expect(waysFrom(plan, 'a').map(([to]) => to)).toContain('b.skip');
    expect(waysFrom(plan, 'b.skip').map(([to]) => to)).toEqual([
      'b.listen',
      'b',
      'c.listen',
      'c',
      'd.listen',
      'c.skip',
    ]);
    expect(waysFrom(plan, 'c.skip').map(([to]) => to)).toEqual(['c.listen', 'c', 'd.listen']);
  });

  test('one node is compiled alone for a test of it, whatever is wrong elsewhere', () => {
    const document = dag(
      ['a', 'b', 'c'],
      [
        ['a', 'b'],
        ['a', 'c'],
        ['b', 'a'],
      ],
    );
    const context = known([named('a'), named('b')]);
    const alone = dagAlone(document, { nodeId: 'a', context });
    expect(alone).toMatchObject({ nodes: [{ id: 'a' }, { id: 'b' }], connections: [{ source_id: 'a' }] });
    expect(alone === null ? null : compileDagWith(alone, context).plan).not.toBeNull();
    expect(dagAlone(document, { nodeId: 'z', context })).toBeNull();
  });
});

/** Nodes in a row; each is led to by one before it, and by some more. */
const randomDags: fc.Arbitrary<DagDocument> = fc
  .array(
    fc.record({
      agent: fc.nat(4),
      from: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
      exit: fc.boolean(),
      skip: fc.boolean(),
    }),
    {
      minLength: 1,
      maxLength: 12,
    },
  )
  .map((drawn) =>
    dag(
      drawn.map(({ agent, exit, skip }, index) => ({
        ...{ id: `n${index}`, agent_name: `agent${agent}`, is_entry: index === 0 },
        is_exit: exit || index === drawn.length - 1,
        ...(skip ? { skip_condition: `flags.f${index}` } : {}),
      })),
      drawn.flatMap(({ from }, index) => {
        const sources = new Set(index === 0 ? [] : from.map((place) => place % index));
        return [...sources].map((source): [string, string] => [`n${source}`, `n${index}`]);
      }),
    ),
  );

test('every drawing without mistakes compiles, and each node leads where it is connected to', () => {
  const check = (document: DagDocument): void => {
    const { plan, problems } = compileDagWith(document);
    expect(problems.filter(({ severity }) => severity === 'blocker')).toEqual([]);
    if (plan === null) throw new Error('no plan');
    const skips = new Set(document.nodes.filter((node) => node.skip_condition !== undefined).map(({ id }) => id));
    for (const { from, to } of plan.edges) expect([plan.nodes[from], plan.nodes[to]]).not.toContain(undefined);
    for (const { id } of document.nodes) {
      const targets = document.connections.filter((way) => way.source_id === id).map((way) => way.target_id);
      const heads = targets.map((target) => (skips.has(target) ? `${target}.skip` : target));
      expect(waysFrom(plan, id).map(([to]) => to)).toEqual([...heads, 'call.completed', `${id}.listen`]);
    }
  };
  fc.assert(fc.property(randomDags, check), { seed: 20_261_126, numRuns: 200 });
});
