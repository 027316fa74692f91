import { modelTurn } from './model-turn.js';
import { notify } from './notify.js';
import { webhook } from './webhook.js';
import type { NodeDeps, NodeRunners } from './context.js';

export type { NodeContext, NodeDeps, NodeLog, NodeRunner, NodeRunners } from './context.js';
export { Fault, NodeFailure } from './failure.js';
export { createRedactor, recordSecrets, type RecordedSecrets, type Redactor } from './redact.js';

export const createNodeRunners = (deps: NodeDeps): NodeRunners => ({
  assistant: modelTurn('assistant', deps),
  agent: modelTurn('AI agent', deps),
  webhook: webhook(deps),
  notify: notify(deps),
});
