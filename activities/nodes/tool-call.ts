import type { ActivityKind } from '../../workflows/contract/activities.js';
import { textOf, type Json } from '../../workflows/definition/values.js';
import type { WorkspaceTool } from '../../db/workspace-tools.js';
import type { NodeContext, NodeDeps } from './context.js';
import { createDesk, type Desk, type PlannedEffect } from './effect.js';
import { Fault, invalid } from './failure.js';
import { bodyOfReceipt, makeCall, prepareCall, requestOf, whatOf } from './http-call.js';
import { pick } from './json-path.js';
import type { UnknownPolicy } from './ledger.js';
import { misfit } from './schema.js';

export type Args = Readonly<Record<string, Json>>;

export async function findTool(deps: NodeDeps, workspaceId: string, name: string): Promise<WorkspaceTool> {
  const tool = await deps.tool(workspaceId, name);
  if (tool !== undefined) return tool;
  const problem = `tool_name: the workspace has no tool "${name}"; add it with POST /v1/workspace-tools.`;
  throw invalid(Fault.configInvalid, problem);
}

/** Why these arguments cannot be given to the tool, or null. */
export const argsProblem = ({ name, parameters }: WorkspaceTool, args: Args): string | null => {
  if (parameters === null) return null;
  const problem = misfit(parameters, args, { field: `The parameters of the tool "${name}"` });
  return problem === null ? null : `args: ${problem}, says the tool "${name}".`;
};

/** A tool's templates see its arguments, each by its name and together as `args`, and nothing else of the run's data. */
export const toolDesk = (context: NodeContext<ActivityKind>, args: Args): Desk =>
  createDesk(
    { ...context, names: { ...args, run: { id: context.run.runId } } },
    { args, input: args, text: textOf(args) },
  );

export interface ToolCall {
  readonly tool: WorkspaceTool;
  readonly args: Args;
  readonly desk: Desk;
  readonly onUnknown: UnknownPolicy;
}

/** Without a body of its own a tool that is no GET sends its arguments. Receipt: `{status, headers, body}`. */
export async function plannedTool(
  { run: { workspaceId }, signal }: NodeContext<ActivityKind>,
  { egress }: Pick<NodeDeps, 'egress'>,
  { tool, args, desk, onUnknown }: ToolCall,
): Promise<PlannedEffect> {
  const isGet = tool.method.toUpperCase() === 'GET';
  const body = isGet ? undefined : (tool.body ?? undefined);
  const prepared = await prepareCall({ method: tool.method, url: tool.url, headers: tool.headers, body }, desk);
  const withArgs =
    isGet || body !== undefined
      ? prepared
      : {
          ...prepared,
          headers: { 'content-type': 'application/json', ...prepared.headers },
          body: JSON.stringify(args),
        };
  const isFresh = onUnknown.action !== 'repeat';
  return {
    kind: 'tool',
    what: `The tool "${tool.name}" (${whatOf(withArgs)})`,
    request: requestOf(withArgs),
    onUnknown,
    act: (idempotencyKey) =>
      makeCall(egress, withArgs, { workspaceId, idempotencyKey, signal, redactText: desk.redactText, isFresh }),
  };
}

/** The variables a tool's reply sets. */
export const toolVars = ({ outputs }: WorkspaceTool, receipt: Json): Readonly<Record<string, Json>> =>
  pick(bodyOfReceipt(receipt), outputs);
