import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { scriptedProvider } from '../../activities/llm/scripted.js';
import { Failure } from '../../workflows/contract/failures.js';
import { inline } from '../../workflows/definition/values.js';
import { wordsOf } from './stage.js';
import { handoff, openTurns, tool, turnOf, type TurnRun, type TurnStage } from './turn-stage.js';

let stage: TurnStage;

beforeAll(async () => {
  stage = await openTurns();
}, 60_000);
afterAll(() => stage.close());
beforeEach(() => stage.fresh());

const note = tool('note', {
  parameters: [{ name: 'text', type: 'string', required: true, description: 'What to note' }],
  actions: [{ type: 'context.set', key: 'notes[+]', value: 'params.text' }],
});

describe('a turn', () => {
  test('answers, remembers, says what it cost, and stays', async () => {
    const { outputs, vars } = await stage.attempt();
    expect(outputs).toEqual([
      inline({
        ...{ text: 'Hello.', agent: 'host', outcome: 'stay', target: null, reason: null, model: 'm', provider: 'p' },
        ...{ usage: { input_tokens: 3, output_tokens: 2 }, llm_ms: expect.any(Number), tool_calls: [] },
      } as never),
    ]);
    expect(vars).toEqual({
      _agent_memory_n: inline([
        { role: 'user', content: 'hello' },
        { role: 'assistant', content: 'Hello.' },
      ]),
    });
    expect(stage.asked).toMatchObject([{ system: 'You are the host of T.', tools: [] }]);
    expect(await stage.step()).toMatchObject({ cost: { input_tokens: 3, output_tokens: 2 } });
  });

  test('offers its tools, the agents it may hand over to, and the end', async () => {
    const config = { tools: [note], handoffs: [handoff('billing')], may_end: true };
    await stage.attempt({ config });
    expect(stage.asked[0]?.tools).toMatchObject([
      {
        name: 'note',
        description: 'Does note',
        parameters: {
          type: 'object',
          properties: { text: { type: 'string', description: 'What to note' } },
          required: ['text'],
          additionalProperties: false,
        },
      },
      { name: 'handoff_to_billing', description: 'Goes to billing' },
      { name: 'end_call' },
    ]);
  });

  test('asks at most as often as it may; the last call has no tools', async () => {
    stage.script = ({ tools }) => (tools?.length === 0 ? { text: 'Enough.' } : { calls: [['note', { text: 'x' }]] });
    const { output, vars } = turnOf(await stage.attempt({ config: { tools: [note], max_steps: 3 } }));
    expect(output).toMatchObject({ text: 'Enough.', usage: { input_tokens: 9 } });
    expect(vars['agent_context']).toEqual({ n: { notes: ['x', 'x'] } });
    expect(stage.asked).toHaveLength(3);
  });

  test.each([
    ['what it does not know', { text: 'x', colour: 'red' }, 'colour is not known here'],
    ['what is of another type', { text: 7 }, 'text must be a string'],
    ['nothing of what it needs', {}, 'text is required'],
    ['no object', 'x', 'must be an object'],
  ])('tells the model that a tool was given %s', async (_what, args, problem) => {
    const { told, vars, output } = await stage.calling([['note', args]], { config: { tools: [note] } });
    expect(told).toEqual([{ ok: false, error: expect.stringContaining(problem) }]);
    expect(vars['agent_context']).toBeUndefined();
    expect(output.text).toBe('Done.');
  });

  test('tells the model that there is no such tool', async () => {
    const { told } = await stage.calling([['drop_tables\0', {}]]);
    expect(told).toEqual([{ ok: false, error: expect.stringMatching(/^There is no tool "drop_tables/) }]);
  });

  test('tells followers what happens, in order', async () => {
    const config = { tools: [note], handoffs: [handoff('billing')] };
    stage.script = (_request, count) =>
      count === 0
        ? { text: 'Let me see. ', calls: [['note', { text: 'x' }]] }
        : { calls: [['handoff_to_billing', { message: 'Billing will help you.' }]] };
    await stage.attempt({ config });
    const place = { key: 'n/1', node_id: 'n', attempt: 1, agent: 'host' };
    const ofTool = { tool: 'note', tool_call_id: 'c0' };
    const ofHandoff = { tool: 'handoff_to_billing', tool_call_id: 'c0' };
    expect(await stage.events('lifecycle')).toEqual([
      { ...place, event: 'agent_start' },
      { ...place, event: 'llm_start' },
      { ...place, event: 'llm_end' },
      { ...place, ...ofTool, event: 'tool_start' },
      { ...place, ...ofTool, event: 'tool_end' },
      { ...place, event: 'llm_start' },
      { ...place, event: 'llm_end' },
      { ...place, ...ofHandoff, event: 'tool_start' },
      { ...place, ...ofHandoff, event: 'tool_end' },
      { ...place, event: 'handoff', target: 'billing' },
      { ...place, event: 'agent_end' },
    ]);
    expect(wordsOf(await stage.events('token'))).toBe('Let me see. Billing will help you.');
  });

  test('a test run asks nobody, changes nothing, and shows what would be asked', async () => {
    const config = { tools: [note], may_end: true };
    const { outputs, vars } = await stage.attempt({ config, step: { isStubbed: true } });
    const would = { system: 'You are the host of T.', message: 'hello', tools: ['note', 'end_call'] };
    expect(outputs).toMatchObject([{ json: { stubbed: true, would, outcome: 'stay', target: null } }]);
    expect([vars, stage.asked, await stage.effects(), await stage.events('lifecycle')]).toEqual([
      undefined,
      [],
      [],
      [],
    ]);
  });

  test('works with the scripted model', async () => {
    const of: TurnRun = { message: 'please note this', config: { tools: [note] }, deps: { llm: scriptedProvider } };
    const { output } = turnOf(await stage.attempt(of));
    expect(output.text).toMatch(/^\[scripted\].* note gave: /);
  });
});

describe('who takes over', () => {
  const known = { agent_context: { n: { name: 'Ada', mood: 'fine' }, other: { kept: 1 } } };
  const passes = [{ node: 'billing_node', keys: ['name'] }];

  test('a call of handoff_to ends the turn and passes on what goes along', async () => {
    const config = { handoffs: [handoff('billing', { passes })], tools: [note] };
    const calls = [
      ['handoff_to_billing', { message: 'One moment.' }],
      ['note', { text: 'never' }],
    ] as const;
    const { output, vars } = await stage.calling(calls, { config, vars: known });
    expect(output).toMatchObject({ text: 'One moment.', outcome: 'handoff', target: 'billing_node', reason: null });
    expect(stage.asked).toHaveLength(1);
    expect(vars['agent_context']).toEqual({ ...known.agent_context, billing_node: { name: 'Ada' } });
  });

  test("the model's own words stand before those of the handoff", async () => {
    stage.script = () => ({ text: 'Wait please.', calls: [['handoff_to_billing', { message: 'Bye.' }]] });
    const { output } = turnOf(await stage.attempt({ config: { handoffs: [handoff('billing')] } }));
    expect(output.text).toBe('Wait please.');
  });

  test('a tool hands over to an agent that is connected, and fails for another', async () => {
    const tools = [
      tool('go', { actions: [{ type: 'handoff', target: 'billing' }] }),
      tool('stray', { actions: [{ type: 'handoff', target: 'nobody' }] }),
    ];
    const config = { tools, handoffs: [handoff('billing')] };
    const stray = await stage.calling([['stray', {}]], { config });
    expect(stray.told).toEqual([{ ok: false, error: expect.stringContaining('not connected to an agent "nobody"') }]);
    expect(stray.output.outcome).toBe('stay');
    await stage.fresh();
    expect((await stage.calling([['go', {}]], { config })).output).toMatchObject({ target: 'billing_node' });
  });

  test('conditions that all hold after the turn hand over, the first in order', async () => {
    const tools = [tool('verify', { actions: [{ type: 'flag.set', flag: 'verified' }] })];
    const handoffs = [
      handoff('never', { conditions: ['flags.verified', 'context.guests > 3'] }),
      handoff('plain'),
      handoff('billing', { conditions: ['{{ flags.verified }}', 'user.tier == "gold" && !flags.blocked'], passes }),
      handoff('late', { conditions: ['flags.verified'] }),
    ];
    const of = { config: { tools, handoffs }, vars: { ...known, user: { tier: 'gold' } } };
    const { output, vars } = await stage.calling([['verify', {}]], of);
    expect(output).toMatchObject({ text: 'Done.', outcome: 'handoff', target: 'billing_node' });
    expect(vars).toMatchObject({ flags: { verified: true }, agent_context: { billing_node: { name: 'Ada' } } });
    await stage.fresh();
    expect(turnOf(await stage.attempt(of)).output).toMatchObject({ outcome: 'stay' });
  });

  test('end_call of the model and of a tool end it, with last words and a reason', async () => {
    const own = await stage.calling([['end_call', { message: 'Goodbye.' }]], { config: { may_end: true } });
    expect(own.output).toMatchObject({ text: 'Goodbye.', outcome: 'end', reason: 'agent', target: null });
    await stage.fresh();
    const close = tool('close', {
      actions: [{ type: 'end_call', message: 'Bye {{ user.name }}.', reason: 'no_seats' }],
    });
    stage.script = () => ({ text: 'Sorry.', calls: [['close', {}]] });
    const { output } = turnOf(await stage.attempt({ config: { tools: [close] }, vars: { user: { name: 'Ada' } } }));
    expect(output).toMatchObject({ text: 'Sorry.\nBye Ada.', outcome: 'end', reason: 'no_seats' });
  });

  test('an agent that may not end has no such tool', async () => {
    const { output, told } = await stage.calling([['end_call', {}]]);
    expect([output.outcome, told]).toEqual(['stay', [{ ok: false, error: 'There is no tool "end_call".' }]]);
  });
});

describe('a step whose answer is its output', () => {
  const output_schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
  const config = { answers: 'output', output_schema, memory: false } as const;

  test('puts out a text, of what it was given', async () => {
    const { outputs } = await stage.attempt({ config: { answers: 'output' }, input: 'Where?' });
    expect(outputs).toEqual([inline('Hello.')]);
    expect(stage.asked[0]?.messages).toEqual([{ role: 'user', content: 'Where?' }]);
  });

  test('or JSON of its schema, fenced or not; tools act, and nobody takes over', async () => {
    const tools = [note];
    stage.script = (_request, count) =>
      count === 0 ? { calls: [['note', { text: 'x' }]] } : { text: '```json\n{"city":"Rome"}\n```' };
    const { outputs, vars } = await stage.attempt({ config: { ...config, tools, handoffs: [handoff('billing')] } });
    expect(outputs).toEqual([inline({ city: 'Rome' })]);
    expect(vars).toEqual({ agent_context: inline({ n: { notes: ['x'] } }) });
    expect(stage.asked[0]).toMatchObject({ schema: output_schema, tools: [{ name: 'note' }] });
  });

  test('an answer that does not fit fails the attempt, and the next asks anew; both cost', async () => {
    stage.script = (_request, count) => ({ text: count === 0 ? '{"city":5}' : '{"city":"Rome"}' });
    expect(await stage.failure({ config })).toMatchObject({ type: Failure.attemptFailed });
    expect(await stage.step()).toMatchObject({
      error: { type: 'model_output_invalid', message: expect.stringContaining('city must be a string') },
    });
    expect((await stage.attempt({ config })).outputs).toEqual([inline({ city: 'Rome' })]);
    expect(await stage.step()).toMatchObject({ cost: { input_tokens: 6, output_tokens: 4 } });
  });

  test('the last misfit fails the step, and says what all of it cost', async () => {
    stage.script = (_request, count) => (count === 0 ? { calls: [['note', { text: 'x' }]] } : { text: 'no JSON' });
    const of = { config: { ...config, tools: [note] }, policy: { maxAttempts: 1 } };
    expect(await stage.failure(of)).toMatchObject({ type: Failure.nodeFailed });
    expect(await stage.step()).toMatchObject({ status: 'failed', cost: { input_tokens: 6 } });
  });
});
