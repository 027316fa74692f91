import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Json } from '../../workflows/definition/values.js';
import { textOf } from '../../workflows/definition/values.js';
import { fewAgents, playStaged, stagedPlan } from '../support/staged.js';
import { shuffled } from './driver.js';
import { hash } from './scripted.js';

/** What a step sees: what came to it, and what earlier steps put out; null of one that was left out. */
interface Seen {
  readonly input: Json;
  readonly steps: Readonly<Record<string, Json>>;
  readonly message: string;
}

interface Written<T> {
  readonly written: Json;
  readonly means: (seen: Seen) => T;
}

const shown = (json: Json): string => (json === null ? '' : typeof json === 'string' ? json : JSON.stringify(json));

const guards = (earlier: string | undefined): readonly Written<boolean>[] => [
  { written: 'size(text) % 2 == 0', means: ({ input }) => textOf(input).length % 2 === 0 },
  { written: 'text(input).contains("1")', means: ({ input }) => shown(input).includes('1') },
  { written: 'run.input.message.startsWith("a")', means: ({ message }) => message.startsWith('a') },
  { written: 'false', means: () => false },
  ...(earlier === undefined
    ? []
    : [
        { written: `steps["${earlier}"] == null`, means: ({ steps }: Seen) => (steps[earlier] ?? null) === null },
        { written: `steps.${earlier} != null`, means: ({ steps }: Seen) => (steps[earlier] ?? null) !== null },
      ]),
];

const mappers = (earlier: string | undefined): readonly Written<Json>[] => [
  { written: 'passthrough', means: ({ input }) => input },
  { written: '{{ input }}', means: ({ input }) => input },
  { written: 'say {{ input }}!', means: ({ input }) => `say ${shown(input)}!` },
  { written: { $expr: '"<" + text(input) + ">"' }, means: ({ input }) => `<${shown(input)}>` },
  {
    written: { all: { $expr: 'steps' }, first: '{{ run.input.message }}' },
    means: ({ steps, message }) => ({ all: steps, first: message }),
  },
  ...(earlier === undefined
    ? []
    : [{ written: `{{ steps.${earlier} }}`, means: ({ steps }: Seen) => steps[earlier] ?? null }]),
];

interface Reducer {
  readonly written: Json;
  readonly means: (outputs: readonly Json[], steps: Seen['steps']) => Json;
}

const reducers: readonly Reducer[] = [
  { written: 'join_sections', means: (outputs) => outputs.map(shown).join('\n\n---\n\n') },
  { written: { $expr: 'size(outputs) // how many' }, means: (outputs) => outputs.length },
  { written: '{{ outputs[0] }}', means: (outputs) => outputs[0] ?? null },
  { written: '{{ outputs }}', means: (outputs) => outputs },
  {
    written: 'of {{ outputs.size }}: {{ outputs[0] }}',
    means: (outputs) => `of ${outputs.length}: ${shown(outputs[0] ?? null)}`,
  },
  {
    written: { n: { $expr: 'outputs.map(o, text(o))' }, s: { $expr: 'steps' } },
    means: (outputs, steps) => ({ n: outputs.map(shown), s: steps }),
  },
];

/** One random step, by numbers that choose among what is possible where it stands. */
interface StepSpec {
  readonly agent: string;
  readonly guard: number | null;
  readonly mapper: number | null;
}

interface StageSpec {
  readonly mode: 'sequential' | 'parallel';
  readonly reducer: number | null;
  readonly steps: readonly StepSpec[];
}

interface Step {
  readonly name: string;
  readonly agent: string;
  readonly guard: Written<boolean> | null;
  readonly mapper: Written<Json> | null;
}

interface Stage {
  readonly mode: StageSpec['mode'];
  readonly reducer: Reducer | null;
  readonly steps: readonly Step[];
}

const maybe = fc.option(fc.nat(50), { nil: null });
const specs = fc.array(
  fc.record<StageSpec>({
    mode: fc.constantFrom('sequential', 'parallel'),
    reducer: maybe,
    steps: fc.array(
      fc.record<StepSpec>({ agent: fc.constantFrom('ana', 'ben', 'cleo'), guard: maybe, mapper: maybe }),
      {
        minLength: 1,
        maxLength: 4,
      },
    ),
  }),
  { minLength: 1, maxLength: 4 },
);

const at = <T>(choices: readonly T[], number: number | null): T | null =>
  number === null ? null : (choices[number % choices.length] ?? null);

function stagesFrom(list: readonly StageSpec[]): readonly Stage[] {
  const before: string[] = [];
  return list.map(({ mode, reducer, steps }, stage) => {
    const known = [...before];
    const made = steps.map(({ agent, guard, mapper }, index): Step => {
      const name = `s${stage}_${index}`;
      const readable = mode === 'parallel' ? known : before;
      const earlier = readable[(guard ?? mapper ?? 0) % Math.max(1, readable.length)];
      const step = { name, agent, guard: at(guards(earlier), guard), mapper: at(mappers(earlier), mapper) };
      before.push(name);
      return step;
    });
    return { mode, reducer: mode === 'parallel' ? at(reducers, reducer) : null, steps: made };
  });
}

const documentOf = (stages: readonly Stage[]) => ({
  stages: stages.map(({ mode, reducer, steps }, index) => ({
    name: `stage ${index}`,
    mode,
    ...(reducer === null ? {} : { reducer: reducer.written }),
    steps: steps.map(({ name, agent, guard, mapper }) => ({
      name,
      agent_key: agent,
      ...(guard === null ? {} : { guard: guard.written }),
      ...(mapper === null ? {} : { input_mapper: mapper.written }),
    })),
  })),
});

/** Texts, objects and nothing at all. */
function answered(step: string, input: Json): Json {
  const number = hash(`${step} ${JSON.stringify(input)}`);
  if (number % 9 === 0) return null;
  return number % 3 === 0 ? { from: step, n: number % 100 } : `${step} ${number % 1_000}`;
}

/** How far a staged workflow has come, as its author reads it. */
interface Course {
  readonly input: Json;
  readonly steps: Readonly<Record<string, Json>>;
  readonly ran: readonly string[];
}

const holds = ({ guard }: Step, seen: Seen): boolean => guard === null || guard.means(seen);
const work = ({ name, mapper }: Step, seen: Seen): Json =>
  answered(name, mapper === null ? seen.input : mapper.means(seen));

function inOrder(course: Course, step: Step, message: string): Course {
  const { input, steps, ran } = course;
  const seen = { input, steps, message };
  if (!holds(step, seen)) return { ...course, steps: { ...steps, [step.name]: null } };
  const output = work(step, seen);
  return { input: output, steps: { ...steps, [step.name]: output }, ran: [...ran, step.name] };
}

function sideBySide({ input, steps, ran }: Course, stage: Stage, message: string): Course {
  const seen = { input, steps, message };
  const taken = stage.steps.filter((step) => holds(step, seen));
  const outputs = taken.map((step) => work(step, seen));
  const own = stage.steps.map((step) => [step.name, outputs[taken.indexOf(step)] ?? null] as const);
  const all = { ...steps, ...Object.fromEntries(own) };
  const merged = (): Json => {
    if (stage.reducer !== null) return stage.reducer.means(outputs, all);
    return outputs.length === 1 ? (outputs[0] ?? null) : outputs;
  };
  return {
    input: outputs.length === 0 ? input : merged(),
    steps: all,
    ran: [...ran, ...taken.map(({ name }) => name)],
  };
}

function reference(
  stages: readonly Stage[],
  message: string,
): { readonly output: Json; readonly ran: readonly string[] } {
  const begun: Course = { input: message, steps: {}, ran: [] };
  const { input, ran } = stages.reduce(
    (course, stage) =>
      stage.mode === 'parallel'
        ? sideBySide(course, stage, message)
        : stage.steps.reduce((each, step) => inOrder(each, step, message), course),
    begun,
  );
  return { output: ran.length === 0 ? null : input, ran };
}

test('a plan comes to what the document says, whatever ends first', () => {
  fc.assert(
    fc.property(specs, fc.constantFrom('a', 'b 1', 'abc', 'message'), fc.nat(), (list, message, seed) => {
      const stages = stagesFrom(list);
      const expected = reference(stages, message);
      const plan = stagedPlan(documentOf(stages), fewAgents);
      const { end, ran } = playStaged(plan, { message }, { answer: answered, pick: shuffled(seed) });
      expect(end).toEqual({ status: 'completed', output: { json: expected.output } });
      expect([...ran].toSorted()).toEqual([...expected.ran].toSorted());
    }),
    { numRuns: 150 },
  );
});

test('a branch that fails fails the run, whatever the others come to', () => {
  const document = {
    stages: [{ name: 'both', mode: 'parallel', steps: [{ agent_key: 'ana' }, { agent_key: 'ben' }] }],
  };
  const answer = (step: string): Json => {
    if (step === 'ben') throw new Error('no');
    return step;
  };
  for (const seed of [1, 2, 3, 4]) {
    const { end } = playStaged(stagedPlan(document), { message: 'hi' }, { answer, pick: shuffled(seed) });
    expect(end).toMatchObject({ status: 'failed', error: { node_id: 'ben' } });
  }
});
