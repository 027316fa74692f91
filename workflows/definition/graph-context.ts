import type { ActionTool } from './agents/action-tool.js';
import type { NamedAgent } from './agents/named-agent.js';
import type { Plan } from './plan.js';
import type { GraphDocument } from './graph.js';
import type { Json } from './values.js';

/** A definition that a graph may call, as the compiler needs to know it. */
export interface KnownDefinition {
  readonly kind: string;
  readonly published: boolean;
  /** Of the published version. */
  readonly versionId: string | null;
  /** The published plan, needed of nested workflows. */
  readonly plan?: Plan;
}

/** What the compilers cannot know by themselves. */
export interface CompileContext {
  /** Of the definition that is compiled. */
  readonly id: string | null;
  /** Names of the workspace's tools. */
  readonly tools: ReadonlySet<string>;
  readonly definitions: ReadonlyMap<string, KnownDefinition>;
  /** The named agents a document names, by name, and the tools that these name. */
  readonly agents?: ReadonlyMap<string, NamedAgent>;
  readonly actionTools?: ReadonlyMap<string, ActionTool>;
  /** Why an address may not be called, or null. */
  readonly urlProblem: (url: string) => string | null;
}

export interface References {
  readonly definitions: readonly string[];
  readonly tools: readonly string[];
  /** Names of agents. */
  readonly agents?: readonly string[];
}

/** What must be looked up before a graph is compiled. */
export function graphReferences({ nodes }: GraphDocument): References {
  const texts = (key: string): readonly string[] => nodes.flatMap(({ config }) => textsOf(config[key]));
  const definitions = ['agent_id', 'definition_id', 'workflow_id', 'definition'].flatMap(texts);
  const tools = ['tool_name', 'tools'].flatMap(texts);
  return { definitions: [...new Set(definitions)], tools: [...new Set(tools)] };
}

const textsOf = (value: Json | undefined): readonly string[] =>
  [value].flat().filter((each) => typeof each === 'string');
