import type { NamedAgent } from '../agents/named-agent.js';
import { exprProblem, mergeReads, readsOfExpr, readsOfMapping } from '../expressions.js';
import type { CompileContext } from '../graph-context.js';
import { schemaProblem } from '../json-schema.js';
import type { Reads } from '../plan.js';
import { pointerOf, type GraphProblem, type Path } from '../problems.js';
import { EVERY_STEP } from '../reads.js';
import type { Json } from '../values.js';
import { stagesOf, type PlacedStage, type PlacedStep, type StagedDocument } from './document.js';
import { mappingFault, mappingFor, type MappingRole } from './mappings.js';

/** What keeps a staged workflow from running. */

const MOST_STEPS = 100;

interface Found {
  readonly code: string;
  readonly path: Path;
  readonly message: string;
}

export function stagedProblems(document: StagedDocument, context: CompileContext): readonly GraphProblem[] {
  const stages = stagesOf(document);
  const all = stages.flatMap(({ steps }) => steps);
  return [
    ...sizeProblems(document, all.length),
    ...nameProblems(stages),
    ...schemaProblems(document.output_schema, ['output_schema']).map(blocker),
    ...stages.flatMap((stage, index) => stageProblems(stage, namesBefore(stages, index))),
    ...all.flatMap((step) => agentProblems(step, document, context).map((found) => blocker(found, step.name))),
  ];
}

const blocker = ({ code, path, message }: Found, nodeId?: string | number): GraphProblem => ({
  code,
  severity: 'blocker',
  ...(typeof nodeId === 'string' ? { node_id: nodeId } : {}),
  pointer: pointerOf(path),
  message,
});

function sizeProblems({ stages }: StagedDocument, count: number): readonly GraphProblem[] {
  const path = stages === undefined || stages === null ? ['steps'] : ['stages'];
  if (count > MOST_STEPS)
    return [
      blocker({ code: 'too_many_steps', path, message: `Have at most ${MOST_STEPS} steps; these are ${count}.` }),
    ];
  if (count > 0 || (stages?.length ?? 0) > 0) return [];
  return [blocker({ code: 'no_steps', path, message: 'Add a stage with a step: there is nothing to run.' })];
}

/** Steps are told apart by their names, and stages in streams by theirs. */
function nameProblems(stages: readonly PlacedStage[]): readonly GraphProblem[] {
  const again = <T extends { readonly name: string }>(things: readonly T[]): readonly T[] =>
    things.filter(({ name }, index) => things.findIndex((other) => other.name === name) < index);
  return [
    ...again(stages).map(({ name, path }) => duplicate('stage', name, [...path, 'name'])),
    ...again(stages.flatMap(({ steps }) => steps)).map(({ name, step, path }) =>
      duplicate('step', name, [...path, step.name === undefined || step.name === null ? 'agent_key' : 'name']),
    ),
  ];
}

const duplicate = (what: string, name: string, path: Path): GraphProblem =>
  blocker({ code: `duplicate_${what}`, path, message: `Name this ${what} otherwise: another is called "${name}".` });

const namesBefore = (stages: readonly PlacedStage[], index: number): readonly string[] =>
  stages.slice(0, index).flatMap(({ steps }) => steps.map(({ name }) => name));

/** `known`: the steps of the stages before. Side by side, no step knows what the others come to. */
function stageProblems(stage: PlacedStage, known: readonly string[]): readonly GraphProblem[] {
  const { mode, reducer, steps, path } = stage;
  const own = steps.map(({ name }) => name);
  const before = (index: number): readonly string[] =>
    mode === 'parallel' ? known : [...known, ...own.slice(0, index)];
  const ofStage: Found[] = [];
  if (steps.length === 0)
    ofStage.push({ code: 'empty_stage', path: [...path, 'steps'], message: `Add a step: "${stage.name}" has none.` });
  if (reducer !== undefined && reducer !== null) {
    const at = [...path, 'reducer'];
    if (mode === 'sequential')
      ofStage.push({ code: 'bad_reducer', path: at, message: 'Remove reducer: only parallel stages have one.' });
    else ofStage.push(...mappingProblems('reducer', reducer, { path: at, known: [...known, ...own] }));
  }
  return [
    ...ofStage.map((found) => blocker(found)),
    ...steps.flatMap((step, index) => stepProblems(step, before(index)).map((found) => blocker(found, step.name))),
  ];
}

function stepProblems({ step, path }: PlacedStep, known: readonly string[]): readonly Found[] {
  const { guard, input_mapper: mapper } = step;
  const has = <T>(value: T | null | undefined): value is T => value !== null && value !== undefined;
  return [
    ...(has(guard) ? guardProblems(guard, { path: [...path, 'guard'], known }) : []),
    ...(has(mapper) ? mappingProblems('mapper', mapper, { path: [...path, 'input_mapper'], known }) : []),
    ...schemaProblems(step.output_schema, [...path, 'output_schema']),
  ];
}

interface At {
  readonly path: Path;
  /** Steps whose outputs may be read. */
  readonly known: readonly string[];
}

function guardProblems(guard: string, at: At): readonly Found[] {
  const problem = exprProblem(guard);
  if (problem !== null) return [{ code: 'bad_expression', path: at.path, message: `guard: ${problem}` }];
  return unknownSteps(readsOfExpr(guard), at);
}

function mappingProblems(role: MappingRole, mapping: Json, at: At): readonly Found[] {
  const field = role === 'mapper' ? 'input_mapper' : 'reducer';
  const fault = mappingFault(role, mapping);
  if (fault !== null) return [{ code: 'bad_mapping', path: at.path, message: `${field}: ${fault}` }];
  return unknownSteps(readsOfMapping(mappingFor(role, mapping) ?? null), at);
}

function unknownSteps({ steps = [] }: Reads, { path, known }: At): readonly Found[] {
  return steps
    .filter((name) => name !== EVERY_STEP && !known.includes(name))
    .map((name) => {
      const others = known.length === 0 ? 'there is none before it' : `those before it are ${known.join(', ')}`;
      return { code: 'unknown_step', path, message: `Correct steps.${name}: no earlier step is called so; ${others}.` };
    });
}

function schemaProblems(schema: Json | undefined, path: Path): readonly Found[] {
  const problem = schema === undefined || schema === null ? null : schemaProblem(schema);
  return problem === null ? [] : [{ code: 'bad_schema', path: [...path, ...problem.path], message: problem.message }];
}

function agentProblems(
  { step: { agent_key: key }, path }: PlacedStep,
  { allow_handoff_agents: mayHandOver }: StagedDocument,
  { agents, actionTools }: CompileContext,
): readonly Found[] {
  const at = [...path, 'agent_key'];
  const agent = agents?.get(key);
  if (agent === undefined)
    return [{ code: 'unknown_agent', path: at, message: `There is no agent "${key}" here: add it, or name another.` }];
  const found: Found[] = [];
  if (!agent.isActive)
    found.push({
      code: 'inactive_agent',
      path: at,
      message: `The agent "${key}" is switched off: switch it on first.`,
    });
  if (agent.config.handoffs.length > 0 && !mayHandOver)
    found.push({
      code: 'handoff_agent',
      path: at,
      message: `The agent "${key}" hands over to others: set allow_handoff_agents, or name another agent.`,
    });
  return [...found, ...missingTools(agent, actionTools).map((tool) => unknownTool(tool, key, at))];
}

const missingTools = ({ config }: NamedAgent, tools: CompileContext['actionTools']): readonly string[] =>
  config.tools.filter((name) => tools?.has(name) !== true);

const unknownTool = (tool: string, agent: string, path: Path): Found => ({
  code: 'unknown_tool',
  path,
  message: `The agent "${agent}" names the tool "${tool}", which is not here: add the tool, or mend the agent.`,
});

/** What an expression of a step reads, with the steps it may name where only the running expression knows which. */
export const readsAmong = (known: readonly string[], ...reads: readonly Reads[]): Reads => {
  const merged = mergeReads(...reads);
  return merged.steps?.includes(EVERY_STEP) === true ? { ...merged, steps: [...known].toSorted() } : merged;
};
