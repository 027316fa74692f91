import type { z } from 'zod';
import {
  ChannelSendConfig,
  CodeConfig,
  EmailConfig,
  HttpConfig,
  ToolConfig,
  WebhookConfig,
} from '../../workflows/definition/nodes/effects.js';
import {
  CancelConfig,
  CompensateConfig,
  EndConfig,
  LoopConfig,
  MapConfig,
  RespondConfig,
  SetConfig,
  SubflowConfig,
} from '../../workflows/definition/nodes/flow.js';
import { AgentConfig, KnowledgeConfig, LlmConfig } from '../../workflows/definition/nodes/models.js';
import {
  ApprovalConfig,
  DelayConfig,
  ListenConfig,
  UntilConfig,
  WaitEventConfig,
} from '../../workflows/definition/nodes/waits.js';
import type { NodeKind, Plan, PlanNode } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';
import { invalid, type ErrorDetail } from '../http/errors.js';
import { suggestion } from './nearest.js';

export type Patch = Readonly<Record<string, Json>>;

/** Of the kinds whose compiled configuration is the authored one. */
const schemas: Partial<Record<NodeKind, z.ZodType>> = {
  set: SetConfig,
  end: EndConfig,
  respond: RespondConfig,
  compensate: CompensateConfig,
  cancel: CancelConfig,
  map: MapConfig,
  loop: LoopConfig,
  subflow: SubflowConfig,
  delay: DelayConfig,
  until: UntilConfig,
  approval: ApprovalConfig,
  wait_event: WaitEventConfig,
  listen: ListenConfig,
  instruction_agent: AgentConfig,
  llm: LlmConfig,
  knowledge: KnowledgeConfig,
  http: HttpConfig,
  tool: ToolConfig,
  code: CodeConfig,
  email: EmailConfig,
  channel_send: ChannelSendConfig,
  webhook: WebhookConfig,
};

/** The node with a patch merged over its configuration; `field` is where the patch stands in the request. */
export function patchedNode(node: PlanNode, patch: Patch, field: string): PlanNode {
  const merged = { ...node.config, ...patch };
  const parsed = schemas[node.kind]?.safeParse(merged);
  if (parsed?.success === false) throw invalid(parsed.error.issues.map((issue) => problemOf(issue, field)));
  // -- reason: its kind's schema took it, or the kind has none and keeps what it had
  return { ...node, config: parsed?.data ?? merged } as PlanNode;
}

const problemOf = ({ path, message }: z.core.$ZodIssue, field: string): ErrorDetail => ({
  field: [field, ...path.map(String)].join('.'),
  message,
});

/** A plan of its own for one run: the nodes named here have other configurations. */
export function patchedPlan(plan: Plan, patches: Readonly<Record<string, Patch>>, field: string): Plan {
  const ids = Object.keys(plan.nodes);
  const nodes = Object.entries(patches).map(([id, patch]) => {
    const node = plan.nodes[id];
    const message = `is no node of this version${suggestion(id, ids)}`;
    if (node === undefined) throw invalid([{ field: `${field}.${id}`, message }]);
    return [id, patchedNode(node, patch, `${field}.${id}`)] as const;
  });
  return { ...plan, nodes: { ...plan.nodes, ...Object.fromEntries(nodes) } };
}
