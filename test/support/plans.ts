import {
  defaultPolicy,
  type NodePolicy,
  type Plan,
  type PlanEdge,
  type PlanNode,
} from '../../workflows/definition/plan.js';
import type { OnError, Port } from '../../workflows/definition/plan.js';
import { ApprovalConfig } from '../../workflows/definition/nodes/waits.js';

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
  config: ApprovalConfig.parse({
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
