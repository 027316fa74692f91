import type { CompileContext } from '../graph-context.js';
import { liquidProblem } from '../liquid.js';
import type { GraphProblem } from '../problems.js';
import type { ActionTool, ToolAction } from './action-tool.js';
import type { DagDocument, DagNode } from './dag-document.js';
import { connectionsFrom, problemAt } from './dag-shape.js';
import type { NamedAgent } from './named-agent.js';
import { truthCondition } from './truth.js';

/** What is wrong with the agents that a workflow names: they and their tools are looked up when it is compiled. */

export function dagAgentProblems(document: DagDocument, context: CompileContext): readonly GraphProblem[] {
  return document.nodes.flatMap((node, index) => [
    ...skipProblems(node, index),
    ...agentProblems(document, { node, index, context }),
    ...twinProblems(document, { node, context }),
  ]);
}

export const hasSkip = ({ skip_condition: skip }: DagNode): boolean => (skip ?? '').trim() !== '';

function skipProblems(node: DagNode, index: number): readonly GraphProblem[] {
  if (!hasSkip(node)) return [];
  const truth = truthCondition(node.skip_condition ?? '', 'vars');
  if (!('problem' in truth)) return [];
  const message = `Correct skip_condition: ${truth.problem}`;
  return [problemAt('bad_condition', { path: ['nodes', index, 'skip_condition'], node: node.id, message })];
}

interface Place {
  readonly node: DagNode;
  readonly index: number;
  readonly context: CompileContext;
}

function agentProblems(document: DagDocument, { node, index, context }: Place): readonly GraphProblem[] {
  const name = node.agent_name;
  const agent = context.agents?.get(name);
  const at = (code: string, message: string, isWarning = false): GraphProblem =>
    problemAt(code, { path: ['nodes', index, 'agent_name'], node: node.id, message, isWarning });
  if (agent === undefined)
    return [at('unknown_agent', `Name an agent that exists: this workspace has no agent "${name}".`)];
  if (!agent.isActive)
    return [at('inactive_agent', `Activate the agent "${name}" or name another: it is not active.`)];
  return [
    ...promptProblems(agent).map((message) => at('bad_template', message)),
    ...conditionProblems(agent).map((message) => at('bad_condition', message)),
    ...unknownTools(agent, context).map((message) => at('unknown_tool', message)),
    ...strayHandoffs(document, { node, agent, context }).map((message) => at('handoff_not_connected', message, true)),
  ];
}

function promptProblems({ name, config: { prompt } }: NamedAgent): readonly string[] {
  return (['system', 'greeting'] as const).flatMap((key) => {
    const problem = liquidProblem(prompt[key] ?? '');
    return problem === null ? [] : [`Correct prompt.${key} of the agent "${name}": ${problem}`];
  });
}

function conditionProblems({ name, config: { handoffs } }: NamedAgent): readonly string[] {
  return handoffs.flatMap(({ target_agent: target, conditions }) =>
    conditions.flatMap((condition) => {
      const truth = truthCondition(condition, 'names');
      if (!('problem' in truth)) return [];
      return [`Correct the condition of the agent "${name}" for handing over to "${target}": ${truth.problem}`];
    }),
  );
}

function unknownTools({ name, config: { tools } }: NamedAgent, { actionTools }: CompileContext): readonly string[] {
  return tools.flatMap((tool) =>
    actionTools?.has(tool) === true
      ? []
      : [`Create the tool "${tool}" or take it from the agent "${name}": this workspace has no such tool.`],
  );
}

/** Tools that hand over to somebody the node is not connected with. */
function strayHandoffs(
  document: DagDocument,
  { node, agent, context }: Omit<Place, 'index'> & { readonly agent: NamedAgent },
): readonly string[] {
  const connected = new Set(connectionsFrom(document, node.id).map(({ target_id: id }) => agentNameOf(document, id)));
  return agent.config.tools.flatMap((name) => {
    const tool = context.actionTools?.get(name);
    const targets = tool === undefined ? [] : handoffTargets(tool);
    return targets
      .filter((target) => !connected.has(target))
      .map((target) => `Connect this node to one of "${target}": its tool "${name}" hands over to that agent.`);
  });
}

const agentNameOf = ({ nodes }: DagDocument, nodeId: string): string | undefined =>
  nodes.find(({ id }) => id === nodeId)?.agent_name;

export function handoffTargets({ config }: ActionTool): readonly string[] {
  const ofActions = (actions: readonly ToolAction[]): readonly string[] =>
    actions.flatMap((action) => {
      if (action.type === 'handoff') return [action.target];
      return action.type === 'condition' ? [...ofActions(action.then), ...ofActions(action.else)] : [];
    });
  return [...new Set(ofActions([...config.actions, ...config.on_success, ...config.on_failure]))];
}

/** Whom an agent hands over to is known by the other agent's name alone. */
function twinProblems(document: DagDocument, { node }: Pick<Place, 'node' | 'context'>): readonly GraphProblem[] {
  const ways = connectionsFrom(document, node.id);
  const names = ways.map(({ target_id: target }) => agentNameOf(document, target));
  return ways.flatMap((way, at) => {
    const name = names[at];
    const first = names.indexOf(name);
    if (first === at || ways[first]?.target_id === way.target_id) return [];
    const path = ['connections', document.connections.indexOf(way), 'target_id'];
    const message = `Lead this connection to another agent: "${node.id}" hands over to "${name}" by its first connection to that agent, so this one is taken only when the first is skipped.`;
    return [problemAt('same_agent_twice', { path, node: node.id, message, isWarning: true })];
  });
}
