import { ActionToolConfig, type ActionTool } from '../../workflows/definition/agents/action-tool.js';
import { DagDocument } from '../../workflows/definition/agents/dag-document.js';
import { compileDag } from '../../workflows/definition/agents/dag-plan.js';
import { NamedAgentConfig, type NamedAgent } from '../../workflows/definition/agents/named-agent.js';
import type { Compilation, CompileContext } from '../../workflows/definition/graph-plan.js';
import type { Plan } from '../../workflows/definition/plan.js';
import { nothingKnown } from './graphs.js';

/** Workflows of agents as tests write them. */

export const named = (name: string, config: object = {}, more: Partial<NamedAgent> = {}): NamedAgent => ({
  name,
  displayName: name,
  description: '',
  isActive: true,
  ...more,
  config: NamedAgentConfig.parse({ prompt: { system: `You are ${name}.` }, ...config }),
});

export const greeter = (name: string, config: object = {}): NamedAgent =>
  named(name, { prompt: { system: `You are ${name}.`, greeting: `${name} here` }, ...config });

export const actionTool = (name: string, config: object = {}): ActionTool => ({
  name,
  description: '',
  config: ActionToolConfig.parse(config),
});

/** `a` is the node of agent `a`; `a!` the entry, `a.` an exit. */
export function dag(
  marked: readonly (string | object)[],
  connections: readonly (readonly [string, string, string[]?])[] = [],
  more: object = {},
): DagDocument {
  const nodes = marked.map((mark) => {
    if (typeof mark !== 'string') return mark;
    const id = mark.replaceAll(/[!.]/g, '');
    return { id, agent_name: id, is_entry: mark.includes('!'), is_exit: mark.includes('.') };
  });
  const ways = connections.map(([source, target, keys = []]) => ({
    source_id: source,
    target_id: target,
    context_passed: keys,
  }));
  return DagDocument.parse({ nodes, connections: ways, ...more });
}

export const known = (agents: readonly NamedAgent[], tools: readonly ActionTool[] = []): CompileContext => ({
  ...nothingKnown,
  agents: new Map(agents.map((agent) => [agent.name, agent])),
  actionTools: new Map(tools.map((tool) => [tool.name, tool])),
});

/** Agents that a document names and nobody described are plain ones. */
export function compileDagWith(document: DagDocument, context: Partial<CompileContext> = {}): Compilation {
  const plain = document.nodes.map(({ agent_name: name }) => named(name));
  return compileDag(document, { ...known(plain), ...context });
}

export function dagPlan(
  document: DagDocument,
  agents: readonly NamedAgent[] = [],
  tools: readonly ActionTool[] = [],
): Plan {
  const plain = document.nodes.map(({ agent_name: name }) => named(name));
  const { plan, problems } = compileDag(document, known([...plain, ...agents], tools));
  if (plan === null) throw new Error(JSON.stringify(problems, null, 1));
  return plan;
}
