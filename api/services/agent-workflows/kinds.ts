import type { Json } from '../../../workflows/definition/values.js';
import { invalid } from '../../http/errors.js';
import { dagWorkflowKind } from './dag-kind.js';

/** `/api/v1/workflows` is one resource over several kinds of definitions; each says here how it is written and shown. */

export type JsonObject = Readonly<Record<string, Json>>;

/** What a request writes. */
export interface WrittenWorkflow {
  readonly slug: string | undefined;
  readonly name: string;
  readonly description: string;
  readonly document: Json;
}

/** A workflow as its kind shows it. */
export interface ShownWorkflow {
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly document: Json;
}

export interface WorkflowSummary {
  readonly key: string;
  readonly display_name: string;
  readonly description: string;
  readonly step_count: number;
  readonly default: boolean;
}

export interface WorkflowDescriptor extends WorkflowSummary {
  readonly allow_handoff_agents: boolean;
  readonly stages: readonly StageDescriptor[];
  readonly output_schema: JsonObject | null;
}

export interface StageDescriptor {
  readonly name: string;
  readonly mode: 'sequential' | 'parallel';
  readonly reducer: string | null;
  readonly steps: readonly StepDescriptor[];
}

export interface StepDescriptor {
  readonly name: string;
  readonly agent_key: string;
  readonly guard: string | null;
  readonly guard_type: 'function';
  readonly input_mapper: string | null;
  readonly input_mapper_type: 'function';
  readonly max_turns: number | null;
  readonly output_schema: JsonObject | null;
}

export interface WorkflowKindRules {
  /** Whether a body is of this kind. */
  readonly isFor: (body: JsonObject) => boolean;
  /** What a body means; 422 for one that means nothing. */
  readonly read: (body: JsonObject) => WrittenWorkflow;
  /** The part of a body that a document is read from; the document itself without it. */
  readonly bodyOf?: (document: JsonObject) => JsonObject;
  /** Where the document stands in the body, for the fields of problems: such as `config`. */
  readonly place?: string;
  readonly summary: (workflow: ShownWorkflow) => WorkflowSummary;
  readonly descriptor: (workflow: ShownWorkflow) => WorkflowDescriptor;
}

export const workflowKinds = { agent_dag: dagWorkflowKind } as const satisfies Readonly<
  Record<string, WorkflowKindRules>
>;
export type WorkflowKind = keyof typeof workflowKinds;

export const kindNames = Object.keys(workflowKinds) as readonly WorkflowKind[]; // -- reason: keys of that very record

export const rulesOf = (kind: WorkflowKind): WorkflowKindRules => workflowKinds[kind];

export function kindOf(body: JsonObject): WorkflowKind {
  const kind = kindNames.find((each) => rulesOf(each).isFor(body));
  if (kind !== undefined) return kind;
  const message = 'is required: `nodes` and `connections` of agents; or give `stages` or `steps` beside the name';
  throw invalid([{ field: 'config.nodes', message, type: 'missing' }]);
}
