import type { Json } from '../../workflows/definition/values.js';
import type { NodeAnswer, NodeContext, NodeDeps, NodeRunner } from './context.js';
import { carryOut, createDesk, fieldsOf } from './effect.js';
import { Fault, invalid } from './failure.js';
import { unknownPolicyOf } from './ledger.js';
import { argsProblem, findTool, plannedTool, toolDesk, toolVars, type Args } from './tool-call.js';

async function argsOf(context: NodeContext<'tool'>): Promise<Args> {
  const { templates } = createDesk(context);
  const args: [string, Json][] = [];
  for (const [name, mapping] of Object.entries(context.node.config.args ?? {}))
    args.push([name, await templates.resolve(`args.${name}`, mapping)]);
  return Object.fromEntries(args);
}

async function call(context: NodeContext<'tool'>, deps: NodeDeps): Promise<NodeAnswer> {
  const { config } = context.node;
  const tool = await findTool(deps, context.run.workspaceId, config.tool_name);
  const args = await argsOf(context);
  const problem = argsProblem(tool, args);
  if (problem !== null) throw invalid(Fault.argsInvalid, problem);
  const desk = toolDesk(context, args);
  const effect = await plannedTool(context, deps, { tool, args, desk, onUnknown: unknownPolicyOf(config) });
  const result = await carryOut(context, deps, { desk, effect });
  if ('stub' in result) return result.stub;
  const { receipt } = result;
  const vars = toolVars(tool, receipt);
  const output = { tool: tool.name, args, ...fieldsOf(receipt) };
  return Object.keys(vars).length === 0 ? { output } : { output, vars };
}

/** Output: `{tool, args, status, headers, body}`. */
export const tool =
  (deps: NodeDeps): NodeRunner<'tool'> =>
  (context) =>
    call(context, deps);
