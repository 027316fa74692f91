import {
  countSteps,
  stagedStructure,
  stagesOf,
  StagedDocument,
  type PlacedStep,
} from '../../../workflows/definition/staged/document.js';
import type { Json } from '../../../workflows/definition/values.js';
import type {
  JsonObject,
  ShownWorkflow,
  StepDescriptor,
  WorkflowDescriptor,
  WorkflowKindRules,
  WorkflowSummary,
  WrittenWorkflow,
} from '../agent-workflows/kinds.js';
import { parseDocument } from '../documents.js';

/** What the workflows resource has to know of staged workflows. */

export const stagedWorkflowKind: WorkflowKindRules = {
  /** A body with stages or steps is a staged workflow. */
  isFor: (body: JsonObject): boolean => Array.isArray(body['stages']) || Array.isArray(body['steps']),
  read: readBody,
  summary: summaryOf,
  descriptor: descriptorOf,
};

/** The document as it is kept; 422 for one that is none. */
function readBody({ key, slug, name, ...document }: JsonObject): WrittenWorkflow {
  const text = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined);
  const parsed = parseDocument('staged', document);
  const shown = documentOf(parsed);
  const called = text(name) ?? shown.display_name ?? text(slug) ?? text(key) ?? 'Workflow';
  return { slug: text(slug) ?? text(key), name: called, description: shown.description, document: parsed };
}

/** A document that was checked when it was written. */
export function documentOf(document: Json): StagedDocument {
  const parsed = StagedDocument.parse(document);
  if (stagedStructure(parsed).length > 0) throw new RangeError('the document was checked before it was written');
  return parsed;
}

function summaryOf({ slug, name, description: told, document }: ShownWorkflow): WorkflowSummary {
  const shown = documentOf(document);
  return {
    key: slug,
    display_name: shown.display_name ?? name,
    description: shown.description === '' ? told : shown.description,
    step_count: countSteps(shown),
    default: shown.default,
  };
}

function descriptorOf(row: ShownWorkflow): WorkflowDescriptor {
  const shown = documentOf(row.document);
  return {
    ...summaryOf(row),
    allow_handoff_agents: shown.allow_handoff_agents,
    stages: stagesOf(shown).map(({ name, mode, reducer, steps }) => ({
      name,
      mode,
      reducer: writtenText(reducer),
      steps: steps.map(describeStep),
    })),
    output_schema: shown.output_schema ?? null,
  };
}

const describeStep = ({ name, step }: PlacedStep): StepDescriptor => ({
  name,
  agent_key: step.agent_key,
  guard: step.guard ?? null,
  guard_type: 'function',
  input_mapper: writtenText(step.input_mapper),
  input_mapper_type: 'function',
  max_turns: step.max_turns ?? null,
  output_schema: step.output_schema ?? null,
});

/** A descriptor shows texts; the document beside it has the mapping itself. */
function writtenText(mapping: Json | undefined): string | null {
  if (mapping === undefined || mapping === null) return null;
  return typeof mapping === 'string' ? mapping : JSON.stringify(mapping);
}

/** Where a step stands, as replies and streams tell it. */
export interface StepPlace {
  readonly name: string;
  readonly agent_key: string;
  readonly stage_name: string;
  /** Of a step beside others: its stage, and its place among them. */
  readonly parallel_group: string | null;
  readonly branch_index: number | null;
  readonly output_schema: JsonObject | null;
}

/** Every step of a document in order, by name. */
export const stepPlaces = (document: Json): ReadonlyMap<string, StepPlace> =>
  new Map(
    stagesOf(documentOf(document)).flatMap((stage) =>
      stage.steps.map(({ name, step, branchIndex }) => {
        const isParallel = stage.mode === 'parallel';
        const place: StepPlace = {
          name,
          agent_key: step.agent_key,
          stage_name: stage.name,
          parallel_group: isParallel ? stage.name : null,
          branch_index: isParallel ? branchIndex : null,
          output_schema: step.output_schema ?? null,
        };
        return [name, place] as const;
      }),
    ),
  );
