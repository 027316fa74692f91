import type { z } from 'zod';
import { fieldProblems, fieldsOf, readsOfField, readsOfSource } from '../../workflows/definition/fields.js';
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
import type { NodeKind, Plan, PlanNode, Reads } from '../../workflows/definition/plan.js';
import { EVERY_STEP, mergeReads } from '../../workflows/definition/reads.js';
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
  const schema = schemas[node.kind];
  // -- reason: a kind without a schema of its own keeps what it had beside the patch
  if (schema === undefined) return { ...node, config: merged } as PlanNode;
  const parsed = schema.safeParse(merged);
  if (!parsed.success) throw invalid(parsed.error.issues.map((issue) => problemOf(issue, field)));
  // -- reason: what a schema gives is plain JSON
  const fields = fieldsOf(schema, parsed.data as Json);
  const blockers = fields.flatMap(fieldProblems).filter(({ severity }) => severity === 'blocker');
  if (blockers.length > 0) throw invalid(blockers.map((problem) => problemOf(problem, field)));
  const read = mergeReads(...fields.map(readsOfField), readsOfCode(node.kind, patch));
  // -- reason: its kind's schema took it
  return { ...node, config: parsed.data, reads: withReads(node.reads ?? {}, read) } as PlanNode;
}

/** Steps of a definition that was taken into another one have its prefix there, and none in its own texts. */
function withReads(before: Reads, { steps = [], ...read }: Reads): Reads {
  const { prefix = '' } = before;
  const named = steps.map((id) => (id === EVERY_STEP ? id : `${prefix}${id}`));
  return { ...before, ...mergeReads(before, read, { steps: named }) };
}

const readsOfCode = (kind: NodeKind, { source }: Patch): Reads =>
  kind === 'code' && typeof source === 'string' ? readsOfSource(source) : {};

const problemOf = (
  { path, message }: { readonly path: readonly PropertyKey[]; readonly message: string },
  field: string,
): ErrorDetail => ({ field: [field, ...path.map(String)].join('.'), message });

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
