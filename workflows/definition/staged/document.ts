import { z } from 'zod';
import { resourceName } from '../agents/action-tool.js';
import { Expr, JsonSchema, Mapping } from '../nodes/common.js';
import type { References } from '../graph-context.js';
import { pointerOf, type GraphProblem, type Path } from '../problems.js';

/** A workflow of agents in stages: each stage one agent after the other, or several side by side. */

/** No dots: the nodes that a plan adds have one in their ids. */
const stepName = z
  .string()
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$/,
    'must be letters, digits, _ and -, at most 63, starting with a letter, digit or _',
  );

/** What a descriptor says of every step; taken back as it was given. */
const functionType = z.literal('function').nullish();

export const StagedStep = z
  .strictObject({
    name: stepName.nullish().meta({ description: 'Unique in the workflow; the agent_key without it' }),
    agent_key: resourceName.meta({ description: 'Name of the agent that works here' }),
    guard: Expr.nullish().meta({
      description: 'CEL over `input` (what came to the step), `steps` (outputs of earlier steps) and `run.input`',
    }),
    guard_type: functionType,
    input_mapper: Mapping.nullish().meta({
      description: '`passthrough`, or a mapping over the same names: a Liquid template, or {"$expr": "..."}',
    }),
    input_mapper_type: functionType,
    max_turns: z
      .number()
      .int()
      .min(1)
      .max(50)
      .nullish()
      .meta({ description: 'Calls of the model at most; 10 without it' }),
    output_schema: JsonSchema.nullish().meta({ description: 'The agent answers JSON of this schema' }),
  })
  .meta({ id: 'StagedStep' });
export type StagedStep = z.output<typeof StagedStep>;

const steps = z.array(StagedStep).max(100);

export const StagedStage = z
  .strictObject({
    name: z.string().trim().min(1).max(100),
    mode: z.enum(['sequential', 'parallel']).default('sequential'),
    reducer: Mapping.nullish().meta({
      description: 'Of a parallel stage: `join_sections`, or a mapping over `outputs` (in branch order) and `steps`',
    }),
    steps,
  })
  .meta({ id: 'StagedStage' });
export type StagedStage = z.output<typeof StagedStage>;

export const StagedDocument = z
  .strictObject({
    display_name: z.string().trim().min(1).max(200).nullish(),
    description: z.string().max(5_000).default(''),
    default: z.boolean().default(false),
    allow_handoff_agents: z
      .boolean()
      .default(false)
      .meta({ description: 'Agents that hand over elsewhere may work here; in a step each answers by itself' }),
    output_schema: JsonSchema.nullish().meta({ description: 'Of the final output' }),
    stages: z.array(StagedStage).max(50).nullish(),
    steps: steps.nullish().meta({ description: 'Instead of stages: one sequential stage called stage-1' }),
  })
  .meta({ id: 'StagedDocument' });
export type StagedDocument = z.output<typeof StagedDocument>;

export const emptyStaged = (name: string): StagedDocument => ({
  display_name: name,
  description: '',
  default: false,
  allow_handoff_agents: false,
  stages: [],
});

/** A step where it stands. */
export interface PlacedStep {
  readonly name: string;
  readonly step: StagedStep;
  readonly branchIndex: number;
  readonly path: Path;
}

export interface PlacedStage {
  readonly name: string;
  readonly mode: StagedStage['mode'];
  readonly reducer?: StagedStage['reducer'];
  readonly steps: readonly PlacedStep[];
  readonly path: Path;
}

const FLAT = 'stage-1';

/** The stages of a document, whichever way it is written. */
export function stagesOf({ stages, steps: flat }: StagedDocument): readonly PlacedStage[] {
  if (stages !== undefined && stages !== null) {
    return stages.map(({ steps: own, ...stage }, index) => {
      const path = ['stages', index];
      return { ...stage, path, steps: placed(own, [...path, 'steps']) };
    });
  }
  if (flat === undefined || flat === null) return [];
  return [{ name: FLAT, mode: 'sequential', path: [], steps: placed(flat, ['steps']) }];
}

const placed = (list: readonly StagedStep[], path: Path): readonly PlacedStep[] =>
  list.map((step, branchIndex) => ({
    name: step.name ?? step.agent_key,
    step,
    branchIndex,
    path: [...path, branchIndex],
  }));

export const countSteps = (document: StagedDocument): number =>
  stagesOf(document).reduce((count, stage) => count + stage.steps.length, 0);

/** A document that says two things at once is none. */
export function stagedStructure({ stages, steps: flat }: StagedDocument): readonly GraphProblem[] {
  const hasBoth = stages !== undefined && stages !== null && flat !== undefined && flat !== null;
  if (!hasBoth) return [];
  const message = 'Give stages, or steps for a single sequential stage, not both.';
  return [{ code: 'bad_document', severity: 'blocker', pointer: pointerOf(['steps']), message }];
}

export const stagedReferences = (document: StagedDocument): References => ({
  definitions: [],
  tools: [],
  agents: [...new Set(stagesOf(document).flatMap(({ steps: own }) => own.map(({ step }) => step.agent_key)))],
});
