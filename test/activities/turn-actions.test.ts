import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { ToolAction } from '../../workflows/definition/agents/action-tool.js';
import type { Json } from '../../workflows/definition/values.js';
import { openTurns, tool, turnOf, type Turned, type TurnRun, type TurnStage } from './turn-stage.js';

/** Actions that stay within the run: context, flags, words, choices, waits. */

let stage: TurnStage;

beforeAll(async () => {
  stage = await openTurns();
}, 60_000);
afterAll(() => stage.close());
beforeEach(() => stage.fresh());

type Input = readonly (Partial<ToolAction> & { readonly type: string })[];

/** One call of a tool with these actions, whose parameter `x` may be anything. */
const act = (actions: Input, of: TurnRun & { readonly args?: Json; readonly after?: object } = {}): Promise<Turned> => {
  const { args = {}, after = {}, config, ...more } = of;
  const parameters = [
    { name: 'x', type: 'string' },
    { name: 'n', type: 'integer', default: 2 },
  ];
  const tools = [tool('act', { parameters, actions, ...after })];
  return stage.calling([['act', args]], { config: { tools, ...config }, ...more });
};

describe('context', () => {
  test('set: a bare word and a lone template keep their type, other templates are texts, keys go deep', async () => {
    const { vars, told } = await act(
      [
        { type: 'context.set', key: 'guests', value: 'params.n' },
        { type: 'context.set', path: 'order.items', data: [{ name: '{{ params.x }}', of: '{{ user }}' }] },
        {
          type: 'context.set',
          key: 'order.items[+]',
          value: { total: { $expr: 'params.n * 2' }, n: { $expr: 'params.n' } },
        },
        {
          type: 'context.set',
          key: 'order.items[0].name',
          value: 'a {{ params.x | upcase }} for {{ context.guests }}',
        },
        { type: 'context.set', key: 'notes[+]', value: 'plain' },
      ],
      { args: { x: 'cake' }, vars: { user: { name: 'Ada' } } },
    );
    const items = [
      { name: 'a CAKE for 2', of: { name: 'Ada' } },
      { total: 4, n: 2 },
    ];
    expect(vars['agent_context']).toEqual({ n: { guests: 2, order: { items }, notes: ['plain'] } });
    expect(told).toEqual([{ ok: true, result: null }]);
  });

  test('shared keys are for all agents, any other is its own, and its own stands before the shared', async () => {
    const { vars, told } = await act(
      [
        { type: 'context.set', key: 'booking.day', value: 'Monday' },
        { type: 'context.set', key: 'visits[+]', value: 2 },
        { type: 'context.set', key: 'taste.sweet', value: true },
        { type: 'context.get', key: 'taste' },
        { type: 'context.get', key: 'name' },
        { type: 'context.get', key: 'nothing.here' },
      ],
      {
        vars: {
          context: { booking: { guests: 4 }, visits: [1], taste: { sour: true }, name: 'shared' },
          agent_context: { n: { name: 'own' }, other: { name: 'theirs' } },
        },
      },
    );
    expect(vars).toMatchObject({
      context: { booking: { guests: 4, day: 'Monday' }, visits: [1, 2], taste: { sour: true }, name: 'shared' },
      agent_context: { n: { name: 'own', taste: { sour: true, sweet: true } }, other: { name: 'theirs' } },
    });
    const values = { taste: { sour: true, sweet: true }, name: 'own', 'nothing.here': null };
    expect(told).toEqual([{ ok: true, result: null, values }]);
  });

  test('delete takes a value away wherever it stands; unchanged variables are not written', async () => {
    const context = { booking: { day: 'Monday', guests: 2 }, name: 'x', list: [1, 2] };
    const removed = ['booking.day', 'name', 'list.0', 'unknown', 'booking.x.y'].map((key) => ({
      ...{ type: 'context.delete', key },
    }));
    const { vars } = await act(removed as Input, { vars: { context, agent_context: { n: { name: 'y' } } } });
    expect(vars).toMatchObject({ context: { booking: { guests: 2 }, list: [2] }, agent_context: { n: {} } });
    await stage.fresh();
    expect(Object.keys((await act([{ type: 'context.get', key: 'name' }], { vars: { context } })).vars)).toEqual([
      '_agent_memory_n',
    ]);
  });

  test.each([
    ['a path that is none', { key: 'a..b' }, 'is no path'],
    ['no key', {}, 'say where the value goes'],
    ['a field of a text', { key: 'name.first' }, 'there is no "first" in a string'],
    ['a place that a list has not', { key: 'list.9' }, 'a list of 1 has no place "9"'],
    ['[+] where no list is', { key: 'name[+]' }, 'no list stands there'],
    ['more than a run may hold', { key: 'big', value: 'x'.repeat(60_000) + '{{ context.long }}' }, 'more than 262144'],
    ['a secret', { key: 'token', value: '{{secret:KEY}}' }, 'a model is not told secrets'],
    ['a template that is none', { key: 'a', value: '{{ params.x | nonsense }}' }, 'undefined filter'],
  ])('%s fails the tool, and what was done before stays', async (_what, more, problem) => {
    const { vars, told } = await act(
      [
        { type: 'flag.set', flag: 'begun' },
        { value: 1, ...more, type: 'context.set' } as Input[number],
        { type: 'flag.set', flag: 'over' },
      ],
      { vars: { context: { name: 'Ada', list: [1], long: 'y'.repeat(250_000) } } },
    );
    expect(told).toEqual([{ ok: false, error: expect.stringContaining(problem) }]);
    expect(vars['flags']).toEqual({ begun: true });
  });

  test('hostile keys and values are data', async () => {
    const { vars } = await act(
      [
        { type: 'context.set', key: '__proto__.polluted', value: true },
        { type: 'context.set', key: 'said', value: 'params.x' },
        { type: 'context.set', key: 'again', value: '{{ context.said }} and {{ params.x }}' },
      ],
      { args: { x: '{{ tenant.id }}{{secret:KEY}}{% for i in (1..99999999) %}' } },
    );
    const x = '{{ tenant.id }}{{secret:KEY}}{% for i in (1..99999999) %}';
    expect(vars['agent_context']).toMatchObject({ n: { said: x, again: `${x} and ${x}` } });
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

test('flags are set and cleared', async () => {
  const { vars } = await act(
    [
      { type: 'flag.set', flag: 'verified' },
      { type: 'flag.clear', flag: 'waiting' },
    ],
    { vars: { flags: { waiting: true, kept: true } } },
  );
  expect(vars['flags']).toEqual({ verified: true, waiting: false, kept: true });
});

describe('respond', () => {
  test('tells the model; it is what the agent said when the model says nothing more', async () => {
    const actions = [{ type: 'respond', message: 'A table for {{ params.n }}, {{ workflow.run_id }}.' }] as const;
    const { told, output } = await act(actions);
    const message = `A table for 2, ${stage.run().runId}.`;
    expect([told, output.text]).toEqual([[{ ok: true, result: message }], 'Done.']);
    await stage.fresh();
    stage.script = (_request, count) => (count === 0 ? { calls: [['act', {}]] } : {});
    const config = { tools: [tool('act', { parameters: [{ name: 'n', type: 'integer', default: 2 }], actions })] };
    const silent = turnOf(await stage.attempt({ config }));
    expect(silent.output.text).toMatch(/^A table for 2/);
    expect(silent.vars['_agent_memory_n']).toMatchObject([{}, { role: 'assistant', content: silent.output.text }]);
  });

  test('a message of the context is a text, never a template', async () => {
    const { told } = await act([{ type: 'respond', message_key: 'last.words' }], {
      vars: { context: { last: { words: 'I am {{ user.name }} {{secret:KEY}}' } } },
    });
    expect(told).toEqual([{ ok: true, result: 'I am {{ user.name }} {{secret:KEY}}' }]);
  });

  test.each([
    ['nothing', { message_key: 'nowhere' }, 'nothing to respond'],
    ['a secret', { message: '{{secret:KEY}}' }, 'a model is not told secrets'],
  ])('with %s fails', async (_what, more, problem) => {
    const { told } = await act([{ type: 'respond', ...more }]);
    expect(told).toEqual([{ ok: false, error: expect.stringContaining(problem) }]);
  });
});

describe('condition', () => {
  const branch = (text: string) =>
    ({
      type: 'condition',
      if: text,
      then: [{ type: 'respond', message: 'yes' }],
      else: [{ type: 'respond', message: 'no' }],
    }) as const;
  const vars = { context: { guests: 6, name: '', booking: { held: 'x' } }, flags: { vip: true, off: false }, user: {} };

  test.each([
    ['flags.vip', 'yes'],
    ['{{ flags.vip }}', 'yes'],
    ['flags.off', 'no'],
    ['flags.never', 'no'],
    ['flags.vip && !flags.never', 'yes'],
    ['"flags.never" == "flags.never" && has(flags.vip)', 'yes'],
    ['context.guests > 4', 'yes'],
    ['params.n == 2 && params.x == null', 'yes'],
    ['booking.held', 'yes'],
    ['booking.nothing.there', 'no'],
    ['name', 'no'],
    ['context.missing > 3', 'no'],
    ['!(context.missing > 3) && tenant.slug == "t" && agent.name == "host"', 'yes'],
    ['context.guests', 'yes'],
    ['size(context.booking)', 'yes'],
  ])('%s: %s', async (text, answer) => {
    expect((await act([branch(text)], { vars })).told).toEqual([{ ok: true, result: answer }]);
  });

  test('nests, and one that cannot be told fails the tool', async () => {
    const nested = { type: 'condition', if: 'flags.vip', then: [branch('flags.off')] } as const;
    expect((await act([nested as Input[number]], { vars })).told).toEqual([{ ok: true, result: 'no' }]);
    await stage.fresh();
    const { told } = await act([branch('context.guests > "three"')], { vars });
    expect(told).toEqual([{ ok: false, error: expect.stringMatching(/^if: /) }]);
  });
});

test('a wait takes its time; a log is an event of the run', async () => {
  await act([
    { type: 'wait', seconds: 1.5 },
    { type: 'log', message: 'waited for {{ params.n }}', level: 'warn' },
    { type: 'log', message: 'x'.repeat(2_000) },
  ]);
  expect(stage.pauses).toEqual([1_500]);
  expect(await stage.events('log')).toMatchObject([
    { node_id: 'n', lines: ['waited for 2'], level: 'warn' },
    { lines: ['x'.repeat(1_000)], level: 'info' },
  ]);
});

test('on_success follows when all went well, on_failure knows the error and what it responds is told', async () => {
  const after = {
    on_success: [{ type: 'context.set', key: 'result', value: 'fine' }],
    on_failure: [
      { type: 'context.set', key: 'result', value: '{{ error.message }}' },
      { type: 'respond', message: 'Please try later.' },
    ],
  };
  const well = await act([{ type: 'flag.set', flag: 'a' }], { after });
  expect([well.vars['agent_context'], well.told]).toEqual([{ n: { result: 'fine' } }, [{ ok: true, result: null }]]);
  await stage.fresh();
  const ill = await act([{ type: 'handoff', target: 'nobody' }], { after });
  const error = 'target: "host" is not connected to an agent "nobody".';
  expect(ill.vars['agent_context']).toEqual({ n: { result: error } });
  expect(ill.told).toEqual([{ ok: false, error, result: 'Please try later.' }]);
  await stage.fresh();
  const late = await act([], { after: { on_success: [{ type: 'handoff', target: 'nobody' }] } });
  expect(late.told).toEqual([{ ok: false, error }]);
});

test('templates and the prompt know who, where and when; variables take what is given before their defaults', async () => {
  const settings = {
    ...{
      default_language: 'en',
      endpoints: { order: { path: '/o', method: 'POST' } },
      webhook_url: 'https://x.example',
    },
    ...{ egress: { allow: ['10.0.0.1'] }, llm: { model: 'm' }, oidc: { client_secret: 'hush' } },
  };
  await stage.settings(settings);
  const variables = { name: 'friend', house: 'Casa', mood: null };
  const template = '{{ name }}/{{ house }}/{{ mood }}/{{ tenant.slug }}/{{ message }}/{{ vars.metadata.id }}';
  const { vars } = await act(
    [
      { type: 'context.set', key: 'settings', value: '{{ tenant.settings }}' },
      { type: 'context.set', key: 'now', value: '{{ now }}' },
    ],
    {
      vars: { user: { name: 'Ada' }, context: { house: 'Villa' }, metadata: { id: 'm1' } },
      config: { system: template, variables },
      message: 'hi',
    },
  );
  await stage.settings({});
  expect(stage.asked[0]?.system).toBe('Ada/Villa//t/hi/m1');
  const { started_at } = await stage.step();
  const { default_language, endpoints } = settings;
  expect(vars['agent_context']).toEqual({
    n: { settings: { default_language, endpoints }, now: started_at?.toISOString() },
  });
});

test('a prompt tells no secrets', async () => {
  await stage.failure({ config: { system: 'The key is {{secret:KEY}}.' } });
  expect(await stage.step()).toMatchObject({
    status: 'failed',
    error: { type: 'template_invalid', message: expect.stringContaining('prompt.system') },
  });
});
