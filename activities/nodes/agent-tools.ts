import type { Json } from '../../workflows/definition/values.js';
import type { WorkspaceTool } from '../../db/workspace-tools.js';
import type { LlmToolCall } from '../llm/port.js';
import type { NodeContext, NodeDeps } from './context.js';
import { bodyOfReceipt } from './http-call.js';
import { isForModel } from './failure.js';
import type { Acted } from './think-and-act.js';
import { argsProblem, plannedTool, toolDesk, toolVars, type Args } from './tool-call.js';

interface ToolTurn {
  readonly call: LlmToolCall;
  /** 1 for the first call of this visit. */
  readonly number: number;
  readonly tools: readonly WorkspaceTool[];
}

interface ToolResult {
  readonly output: Json;
  readonly duration_ms: number;
  readonly vars: Readonly<Record<string, Json>>;
}

type AgentContext = NodeContext<'instruction_agent'>;

const isArgs = (json: Json): json is Args => json !== null && typeof json === 'object' && !Array.isArray(json);

const told = (error: string): ToolResult => ({ output: { error }, duration_ms: 0, vars: {} });

/** Carries out what the model asked for. What goes wrong for good is told to the model, which may find another way. */
export const callTool =
  (context: AgentContext, deps: NodeDeps, tools: readonly WorkspaceTool[]) =>
  async (call: LlmToolCall, number: number): Promise<Acted> => {
    const { vars, ...result } = await resultOf(context, deps, { call, number, tools });
    return { trace: { name: call.name, args: call.args, ...result }, vars };
  };

async function resultOf(context: AgentContext, deps: NodeDeps, turn: ToolTurn): Promise<ToolResult> {
  const { name, args } = turn.call;
  const tool = turn.tools.find((each) => each.name === name);
  if (tool === undefined) return told(`There is no tool "${name}".`);
  if (!isArgs(args)) return told('The arguments must be an object.');
  const problem = argsProblem(tool, args);
  if (problem !== null) return told(problem);
  try {
    return await perform(context, deps, { tool, args, number: turn.number });
  } catch (error) {
    if (!isForModel(context, error)) throw error;
    return told(error.message);
  }
}

async function perform(
  context: AgentContext,
  deps: NodeDeps,
  { tool, args, number }: { readonly tool: WorkspaceTool; readonly args: Args; readonly number: number },
): Promise<ToolResult> {
  const desk = toolDesk(context, args);
  const effect = await plannedTool(context, deps, { tool, args, desk, onUnknown: { action: 'repeat' } });
  const receipt = await context.ledger.perform({
    ...effect,
    part: `tool/${number}`,
    whenChanged: 'forks',
    act: async (idempotencyKey) => {
      const startedAt = Date.now();
      const reply = await effect.act(idempotencyKey);
      return { reply, duration_ms: Date.now() - startedAt };
    },
  });
  return resultOfReceipt(tool, receipt);
}

function resultOfReceipt(tool: WorkspaceTool, receipt: Json): ToolResult {
  const { reply = null, duration_ms: duration = 0 } = isArgs(receipt) ? receipt : {};
  const duration_ms = typeof duration === 'number' ? duration : 0;
  return { output: bodyOfReceipt(reply), duration_ms, vars: toolVars(tool, reply) };
}
