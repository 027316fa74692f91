import { describe, expect, test } from '@jest/globals';
import { dialects } from '../../workflows/definition/dialects.js';
import type { CompileContext } from '../../workflows/definition/graph-context.js';
import { fewAgents, stagedAgent, stagedContext, stagedPlan } from '../support/staged.js';

const step = (more: object = {}) => ({ agent_key: 'ana', ...more });
const stage = (more: object = {}) => ({ name: 'first', steps: [step()], ...more });

function problemsOf(document: object, context: CompileContext = fewAgents): readonly string[] {
  // -- reason: what tests write is JSON
  const { plan, problems } = dialects.staged.compile(document as never, context);
  expect(plan === null).toBe(problems.length > 0);
  return problems.map(
    ({ code, pointer, node_id: node }) => `${code} ${pointer}${node === undefined ? '' : ` ${node}`}`,
  );
}

const sentencesOf = (document: object, context: CompileContext = fewAgents): readonly string[] =>
  dialects.staged.compile(document as never, context).problems.map(({ message }) => message);

describe('a plan', () => {
  test('of flat steps is one sequential stage', () => {
    const flat = stagedPlan({ steps: [step(), step({ agent_key: 'ben' })] });
    const staged = stagedPlan({ stages: [stage({ name: 'stage-1', steps: [step(), step({ agent_key: 'ben' })] })] });
    expect(flat).toEqual(staged);
    expect(Object.keys(flat.nodes)).toEqual(['run.message', 'run.message.value', 'ana', 'ben']);
  });

  test('holds the agent as it is now, and the schemas', () => {
    const schema = { type: 'object', required: ['n'] };
    const tool = {
      name: 'look',
      description: 'Looks',
      config: { parameters: [], actions: [], on_success: [], on_failure: [] },
    };
    const ana = stagedAgent('ana', {
      prompt: { system: 'You are {{ who }}.', variables: [{ name: 'who', default: 'Ana' }, { name: 'mood' }] },
      llm: { model: 'big', temperature: 0.5 },
      tools: ['look'],
    });
    const context = { ...stagedContext([ana]), actionTools: new Map([['look', tool]]) };
    const plan = stagedPlan(
      { output_schema: { type: 'object' }, steps: [step({ name: 'count', max_turns: 3, output_schema: schema })] },
      context,
    );
    expect(plan.nodes['count']).toMatchObject({
      kind: 'agent_turn',
      config: {
        ...{ agent: 'ana', system: 'You are {{ who }}.', variables: { who: 'Ana' }, model: 'big', temperature: 0.5 },
        ...{ max_steps: 3, answers: 'output', tools: [tool], handoffs: [], output_schema: schema, memory: false },
      },
    });
    expect(plan.outputSchema).toEqual({ type: 'object' });
    expect(plan.inputSchema).toMatchObject({ required: ['message'] });
  });

  test('takes a document back as its descriptor gives it', () => {
    const given = stage({
      mode: 'parallel',
      reducer: null,
      steps: [step({ name: 'a', guard: null, guard_type: 'function', input_mapper_type: 'function' })],
    });
    expect(problemsOf({ stages: [given], output_schema: null })).toEqual([]);
  });
});

describe('a document with a mistake', () => {
  test('in its form is none', () => {
    expect(problemsOf({ stages: [stage()], steps: [step()] })).toEqual(['bad_document /steps']);
    expect(problemsOf({ stages: [stage({ mode: 'circular' })] })).toEqual(['bad_document /stages/0/mode']);
    expect(problemsOf({ steps: [step({ name: 'a.b' })] })).toEqual(['bad_document /steps/0/name']);
    expect(problemsOf({ steps: [step({ surprise: 1 })] })).toEqual(['bad_document /steps/0']);
  });

  test('is told each once, with its place', () => {
    expect(problemsOf({})).toEqual(['no_steps /steps']);
    expect(problemsOf({ stages: [stage({ steps: [] })] })).toEqual(['empty_stage /stages/0/steps']);
    expect(problemsOf({ stages: [stage(), stage()] })).toEqual([
      'duplicate_stage /stages/1/name',
      'duplicate_step /stages/1/steps/0/agent_key',
    ]);
    expect(problemsOf({ steps: [step({ name: 'x' }), step({ name: 'x' })] })).toEqual(['duplicate_step /steps/1/name']);
    expect(problemsOf({ steps: [step({ agent_key: 'dora' })] })).toEqual(['unknown_agent /steps/0/agent_key dora']);
    expect(problemsOf({ steps: [step({ guard: 'input ==' })] })).toEqual(['bad_expression /steps/0/guard ana']);
    expect(problemsOf({ steps: [step({ guard: 'who' })] })).toEqual(['bad_expression /steps/0/guard ana']);
    expect(problemsOf({ steps: [step({ input_mapper: '{{ input' })] })).toEqual([
      'bad_mapping /steps/0/input_mapper ana',
    ]);
    expect(problemsOf({ steps: [step({ input_mapper: 'pasthrough' })] })).toEqual([
      'bad_mapping /steps/0/input_mapper ana',
    ]);
    expect(
      problemsOf({ steps: [step({ output_schema: { type: 'thing' } })], output_schema: { properties: { a: 1 } } }),
    ).toEqual(['bad_schema /output_schema/properties/a', 'bad_schema /steps/0/output_schema/type ana']);
    expect(problemsOf({ stages: [stage({ reducer: 'join_sections' })] })).toEqual(['bad_reducer /stages/0/reducer']);
    const reduced = stage({ mode: 'parallel', reducer: { $expr: 'outputs.map(' } });
    expect(problemsOf({ stages: [reduced] })).toEqual(['bad_mapping /stages/0/reducer']);
  });

  test('reads only steps before it; side by side none of the others', () => {
    const later = [step({ guard: 'steps.ben != null' }), step({ agent_key: 'ben' })];
    expect(problemsOf({ steps: later })).toEqual(['unknown_step /steps/0/guard ana']);
    const beside = stage({
      mode: 'parallel',
      steps: [step(), step({ agent_key: 'ben', input_mapper: '{{ steps.ana }}' })],
    });
    expect(problemsOf({ stages: [beside] })).toEqual(['unknown_step /stages/0/steps/1/input_mapper ben']);
    const reduced = stage({ mode: 'parallel', reducer: '{{ steps.ana }} {{ steps.zoe }}' });
    expect(sentencesOf({ stages: [reduced] })).toEqual([
      'Correct steps.zoe: no earlier step is called so; those before it are ana.',
    ]);
  });

  test('of agents names what is the matter with them', () => {
    const off = { ...stagedAgent('ana'), isActive: false };
    const busy = stagedAgent('ben', { handoffs: [{ target_agent: 'ana' }], tools: ['gone'] });
    const context = stagedContext([off, busy]);
    const steps = [step(), step({ agent_key: 'ben' })];
    expect(problemsOf({ steps }, context)).toEqual([
      'inactive_agent /steps/0/agent_key ana',
      'handoff_agent /steps/1/agent_key ben',
      'unknown_tool /steps/1/agent_key ben',
    ]);
    expect(problemsOf({ steps, allow_handoff_agents: true }, context)).not.toContain(
      'handoff_agent /steps/1/agent_key ben',
    );
  });

  test('is refused above a hundred steps', () => {
    const many = Array.from({ length: 3 }, (_, index) =>
      stage({ name: `s${index}`, steps: Array.from({ length: 40 }, (_each, n) => step({ name: `n${index}_${n}` })) }),
    );
    expect(problemsOf({ stages: many })).toEqual(['too_many_steps /stages']);
  });
});

test('the agents of a document are looked up once each', () => {
  const document = {
    stages: [
      stage({ steps: [step(), step({ name: 'b' })] }),
      stage({ name: 'x', steps: [step({ agent_key: 'ben' })] }),
    ],
  };
  expect(dialects.staged.references(document as never)).toMatchObject({ agents: ['ana', 'ben'] });
});
