import { z } from 'zod';
import type { GraphDocument, GraphNode } from './graph.js';
import { Mapping } from './nodes/common.js';
import * as effects from './nodes/effects.js';
import * as flow from './nodes/flow.js';
import * as models from './nodes/models.js';
import * as waits from './nodes/waits.js';
import type { NodeKind, Port } from './plan.js';

/** The types of a graph's nodes and their configurations. */

const nothing = z.strictObject({});

export const BoundAgentConfig = z.strictObject({
  agent_id: z.string().max(100).optional().meta({ description: 'Id of the agent; it must be published' }),
  definition_id: z.string().max(100).optional().meta({ description: 'Another name of agent_id' }),
  version_id: z.string().max(100).optional().meta({ description: 'The version; the published one without it' }),
  input: Mapping.optional().meta({ description: "What it is given; the node's input without it" }),
});

export const NestedWorkflowConfig = z.strictObject({
  workflow_id: z.string().max(100).optional().meta({ description: 'Id of the workflow; it must be published' }),
  definition_id: z.string().max(100).optional().meta({ description: 'Another name of workflow_id' }),
  version_id: z
    .string()
    .max(100)
    .optional()
    .meta({ description: 'Kept for reference; the published version is taken' }),
});

export const graphConfigs = {
  instruction_agent: models.AgentConfig,
  'flow-agent': BoundAgentConfig,
  agent: z.union([BoundAgentConfig, models.AgentConfig]),
  knowledge: models.KnowledgeConfig,
  router: nothing,
  decision: nothing,
  tool: effects.ToolConfig,
  workflow: NestedWorkflowConfig,
  end: flow.EndConfig,
  trigger: nothing,
  start: flow.StartConfig,
  set: flow.SetConfig,
  branch: flow.BranchConfig,
  switch: flow.SwitchConfig,
  parallel: flow.ParallelConfig,
  join: flow.JoinConfig,
  map: flow.MapConfig,
  loop: flow.LoopConfig,
  subflow: flow.SubflowConfig,
  respond: flow.RespondConfig,
  compensate: flow.CompensateConfig,
  cancel: flow.CancelConfig,
  delay: waits.DelayConfig,
  until: waits.UntilConfig,
  approval: waits.ApprovalConfig,
  wait_event: waits.WaitEventConfig,
  listen: waits.ListenConfig,
  http: effects.HttpConfig,
  llm: models.LlmConfig,
  code: effects.CodeConfig,
  channel_send: effects.ChannelSendConfig,
  email: effects.EmailConfig,
  webhook: effects.WebhookConfig,
} as const;

export type GraphType = keyof typeof graphConfigs;
export const graphTypes = Object.keys(graphConfigs) as readonly GraphType[]; // -- reason: Object.keys forgets the keys

/** What each type compiles to. */
export const kindOfType: Readonly<Record<GraphType, NodeKind>> = {
  instruction_agent: 'instruction_agent',
  'flow-agent': 'subflow',
  agent: 'instruction_agent',
  knowledge: 'knowledge',
  router: 'branch',
  decision: 'branch',
  tool: 'tool',
  workflow: 'loop',
  end: 'end',
  trigger: 'pass',
  start: 'pass',
  set: 'set',
  branch: 'branch',
  switch: 'branch',
  parallel: 'pass',
  join: 'join',
  map: 'map',
  loop: 'loop',
  subflow: 'subflow',
  respond: 'respond',
  compensate: 'compensate',
  cancel: 'cancel',
  delay: 'delay',
  until: 'until',
  approval: 'approval',
  wait_event: 'wait_event',
  listen: 'listen',
  http: 'http',
  llm: 'llm',
  code: 'code',
  channel_send: 'channel_send',
  email: 'email',
  webhook: 'webhook',
};

/** The types of the studio; an automation knows all. */
export const studioTypes: readonly GraphType[] = [
  'instruction_agent',
  'flow-agent',
  'agent',
  'knowledge',
  'router',
  'decision',
  'tool',
  'workflow',
  'end',
  'trigger',
];

/** Names the studio gives to types of the palette. */
export const typeAliases: Readonly<Record<string, GraphType>> = { script: 'code', human: 'approval', wait: 'delay' };

/** Types that choose one of their ways. */
export const choosingTypes: readonly GraphType[] = ['router', 'decision', 'branch', 'switch'];

/** The ways out of a node; the first is that of an edge that names none. */
export function portsOf(kind: NodeKind): readonly [Port, ...Port[]] {
  if (kind === 'approval') return ['approved', 'rejected', 'expired', 'error'];
  if (kind === 'wait_event' || kind === 'listen') return ['out', 'timeout', 'error'];
  return ['out', 'error'];
}

/** A node whose type is known and whose configuration is right. */
export type SiteOf<K extends GraphType> = {
  readonly [Each in K]: {
    readonly type: Each;
    readonly config: z.output<(typeof graphConfigs)[Each]>;
    readonly node: GraphNode;
    readonly index: number;
  };
}[K];
export type Site = SiteOf<GraphType>;

export type TypeCheck = { readonly type: GraphType } | { readonly code: string; readonly problem: string };

/** The type of a node, or why it cannot be published here. */
export function typeOf(node: GraphNode, engine: GraphDocument['engine']): TypeCheck {
  const type = graphTypes.find((each) => each === (typeAliases[node.type] ?? node.type));
  if (engine === 'automation' && type !== undefined) return { type };
  if (type !== undefined && studioTypes.includes(type) && typeAliases[node.type] === undefined) return { type };
  if (node.type === 'datastore')
    return blocked('A datastore cannot be published: keep values in variables (set) or call a service (http).');
  if (type !== undefined)
    return blocked(`A ${node.type} cannot be published in a studio workflow: set engine to automation, or remove it.`);
  const known = engine === 'studio' ? studioTypes : graphTypes;
  return { code: 'unknown_type', problem: `There is no type "${node.type}": use one of ${known.join(', ')}.` };
}

const blocked = (problem: string) => ({ code: 'blocked_type', problem });

/** Of a type with two forms the one this configuration is meant to be. */
export function schemaFor(type: GraphType, config: object): z.ZodType {
  if (type !== 'agent') return graphConfigs[type];
  return 'agent_id' in config || 'definition_id' in config || 'version_id' in config
    ? BoundAgentConfig
    : models.AgentConfig;
}
