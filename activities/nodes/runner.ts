import { agentTurn } from './agent-turn.js';
import { channelSend } from './channel-send.js';
import { code } from './code.js';
import type { NodeDeps, NodeRunners } from './context.js';
import { email } from './email.js';
import { http } from './http.js';
import { instructionAgent } from './instruction-agent.js';
import { knowledge } from './knowledge.js';
import { llm } from './llm.js';
import { modelTurn } from './model-turn.js';
import { notify } from './notify.js';
import { tool } from './tool.js';
import { webhook } from './webhook.js';

export type { NodeAnswer, NodeContext, NodeDeps, NodeLog, NodeRunner, NodeRunners } from './context.js';
export { Fault, NodeFailure } from './failure.js';
export { createRedactor, recordSecrets, type RecordedSecrets, type Redactor } from './redact.js';

export const createNodeRunners = (deps: NodeDeps): NodeRunners => ({
  assistant: modelTurn('assistant', deps),
  agent: modelTurn('AI agent', deps),
  instruction_agent: instructionAgent(deps),
  agent_turn: agentTurn(deps),
  llm: llm(deps),
  knowledge: knowledge(deps),
  http: http(deps),
  tool: tool(deps),
  code: code(deps),
  email: email(deps),
  channel_send: channelSend(deps),
  webhook: webhook(deps),
  notify: notify(deps),
});
