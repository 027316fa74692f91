import {
  defaultPolicy,
  type NodePolicy,
  type Plan,
  type PlanEdge,
  type PlanNode,
} from '../../workflows/definition/plan.js';
import type { OnError, Port } from '../../workflows/definition/plan.js';
import * as effects from '../../workflows/definition/nodes/effects.js';
import * as flow from '../../workflows/definition/nodes/flow.js';
import * as models from '../../workflows/definition/nodes/models.js';
import * as waits from '../../workflows/definition/nodes/waits.js';

const base = (id: string, policy: Partial<NodePolicy> = {}) => ({
  id,
  label: id,
  dialectKind: 'test',
  policy: { ...defaultPolicy, ...policy },
});

/** Goes all its ways at once. */
export const pass = (id: string): PlanNode => ({ ...base(id), kind: 'pass', config: {}, exits: 'all' });
export const branch = (id: string): PlanNode => ({ ...base(id), kind: 'branch', config: {} });
export const join = (id: string, need: 'all' | number = 'all'): PlanNode => ({
  ...base(id),
  kind: 'join',
  config: { need },
});
export const agent = (
  id: string,
  onError: OnError = { action: 'fail' },
  policy: Partial<NodePolicy> = {},
): PlanNode => ({
  ...base(id, { onError, ...policy }),
  kind: 'agent',
  config: { agent: id },
});
export const logLine = (id: string): PlanNode => ({ ...base(id), kind: 'notify', config: { channel: 'log' } });
export const delay = (id: string, seconds: number): PlanNode => ({ ...base(id), kind: 'delay', config: { seconds } });
export const approval = (id: string, timeoutSeconds?: number): PlanNode => ({
  ...base(id),
  kind: 'approval',
  config: waits.ApprovalConfig.parse({
    prompt: id,
    ...(timeoutSeconds === undefined ? {} : { timeout_seconds: timeoutSeconds }),
  }),
});

export const edge = (from: string, to: string, more: Partial<PlanEdge> = {}): PlanEdge => ({
  from,
  to,
  port: 'out' satisfies Port,
  condition: { type: 'always' },
  label: null,
  ...more,
});

export const buildPlan = (nodes: readonly PlanNode[], edges: readonly PlanEdge[]): Plan => ({
  entry: nodes[0]?.id ?? '',
  nodes: Object.fromEntries(nodes.map((node) => [node.id, node])),
  edges,
});

/** The nodes in one line. */
export const linePlan = (...nodes: readonly PlanNode[]): Plan =>
  buildPlan(
    nodes,
    nodes.slice(1).map((node, index) => {
      const from = nodes[index];
      return edge(from?.id ?? '', node.id, from?.kind === 'approval' ? { port: 'approved' } : {});
    }),
  );

export const cronDelay = (id: string, cron: string): PlanNode => ({
  ...base(id),
  kind: 'delay',
  config: { cron, timezone: 'UTC' },
});

const schemas = {
  set: flow.SetConfig,
  end: flow.EndConfig,
  respond: flow.RespondConfig,
  compensate: flow.CompensateConfig,
  cancel: flow.CancelConfig,
  map: flow.MapConfig,
  loop: flow.LoopConfig,
  subflow: flow.SubflowConfig,
  until: waits.UntilConfig,
  approval: waits.ApprovalConfig,
  wait_event: waits.WaitEventConfig,
  listen: waits.ListenConfig,
  http: effects.HttpConfig,
  tool: effects.ToolConfig,
  code: effects.CodeConfig,
  email: effects.EmailConfig,
  webhook: effects.WebhookConfig,
  channel_send: effects.ChannelSendConfig,
  llm: models.LlmConfig,
  knowledge: models.KnowledgeConfig,
  instruction_agent: models.AgentConfig,
} as const;

type Extras = Omit<Partial<PlanNode>, 'id' | 'kind' | 'config' | 'policy'> & { readonly policy?: Partial<NodePolicy> };

/** A node of any kind of the palette, its configuration as an author writes it. */
export function node(kind: keyof typeof schemas, id: string, ...written: [config?: object, more?: Extras]): PlanNode {
  const [config = {}, { policy, ...rest } = {}] = written;
  const reads = { vars: true, run: true, item: true, message: true, steps: ['*'] };
  // -- reason: the schema of a kind gives the configuration of that kind
  return { ...base(id, policy), reads, ...rest, kind, config: schemas[kind].parse(config) } as PlanNode;
}

export const when = (expr: string): Partial<PlanEdge> => ({
  condition: { type: 'cel', expr, reads: { vars: true, steps: ['*'] } },
});
