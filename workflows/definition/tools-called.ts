import type { PlanNode } from './plan.js';
import type { Json } from './values.js';

/** Names of the tools that a visit of a node used, going by its output: its own, or those its agent called. */
export function toolsCalled(node: PlanNode, output: Json | undefined): readonly string[] {
  if (node.kind === 'tool') return [node.config.tool_name];
  if (node.kind !== 'instruction_agent' && node.kind !== 'agent_turn') return [];
  return listOf(own(output, 'tool_calls')).flatMap((call) => {
    const name = own(call, 'name');
    return typeof name === 'string' ? [name] : [];
  });
}

function own(json: Json | undefined, key: string): Json | undefined {
  if (json === undefined || json === null || typeof json !== 'object' || !Object.hasOwn(json, key)) return undefined;
  // -- reason: an own key of JSON holds JSON
  return (json as Readonly<Record<string, Json>>)[key];
}

// -- reason: a list in JSON is a list of JSON
const listOf = (json: Json | undefined): readonly Json[] => (Array.isArray(json) ? (json as readonly Json[]) : []);
