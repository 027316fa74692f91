import { z } from 'zod';
import { JsonSchema } from './nodes/common.js';
import { nodePolicy } from './graph.js';
import { CodeConfig, ChannelSendConfig, EmailConfig, HttpConfig, ToolConfig } from './nodes/effects.js';
import { RespondConfig, SetConfig, SubflowConfig } from './nodes/flow.js';
import { KnowledgeConfig, LlmConfig } from './nodes/models.js';
import { ApprovalConfig, DelayConfig, UntilConfig, WaitEventConfig } from './nodes/waits.js';
import type { Json } from './values.js';

/** A linear chain as its author writes it: a main line of steps, and side lines that a `decide` step chooses between. */

/** The kinds only chains have. */
export const plainKinds = [
  'trigger',
  'assistant',
  'agent',
  'decide',
  'webhook',
  'schedule',
  'notify',
  'human',
] as const;
export type PlainKind = (typeof plainKinds)[number];

/** The kinds a chain shares with every other document; their configurations are those of the palette. */
export const paletteConfigs = {
  set: SetConfig,
  delay: DelayConfig,
  until: UntilConfig,
  approval: ApprovalConfig,
  wait_event: WaitEventConfig,
  http: HttpConfig,
  llm: LlmConfig,
  tool: ToolConfig,
  code: CodeConfig,
  knowledge: KnowledgeConfig,
  channel_send: ChannelSendConfig,
  email: EmailConfig,
  respond: RespondConfig,
  subflow: SubflowConfig,
} as const;
export type PaletteKind = keyof typeof paletteConfigs;
// -- reason: Object.keys forgets the keys
export const paletteKinds = Object.keys(paletteConfigs) as readonly PaletteKind[];

export const stepKinds = [...plainKinds, ...paletteKinds] as const;
export type StepKind = (typeof stepKinds)[number];

const patience = {
  timeout_seconds: z
    .number()
    .int()
    .min(1)
    .max(600)
    .optional()
    .meta({ description: 'Longest time one attempt may take' }),
  max_retries: z.number().int().min(0).max(20).optional().meta({ description: 'Attempts after the first' }),
};

const turn = {
  agent_slug: z.string().max(200).optional().meta({ description: 'Name of the agent; the label without it' }),
  message: z.string().max(20_000).optional().meta({ description: 'Liquid template over `input`' }),
  instructions: z.string().max(20_000).optional().meta({ description: 'Liquid template of the system prompt' }),
  model: z.string().max(200).optional().meta({ description: 'Name of a configured model' }),
  ...patience,
};

/** Each kind's configuration; keys beyond these are refused, so that a typing error is not silently ignored. */
export const plainConfigs = {
  trigger: z.strictObject({}),
  assistant: z.strictObject(turn),
  agent: z.strictObject(turn),
  decide: z.strictObject({
    branches: z
      .array(z.string())
      .optional()
      .meta({ description: 'Names of the branches to choose from; all by default' }),
  }),
  webhook: z.strictObject({
    url: z.string().max(2_000).optional().meta({ description: 'Outbound target; absent on an inbound webhook' }),
    secret: z.string().max(500).optional().meta({ description: 'HMAC key; kept in the secret vault' }),
    headers: z.record(z.string(), z.string()).optional().meta({ description: 'Headers by name; Liquid templates' }),
    ...patience,
  }),
  schedule: z.strictObject({
    cron: z.string().max(200).optional().meta({ description: 'Five fields, or a nickname such as @daily' }),
    delay_seconds: z
      .number()
      .min(0)
      .max(400 * 86_400)
      .optional()
      .meta({ description: 'How long to wait' }),
    timezone: z.string().max(100).optional().meta({ description: 'IANA name; UTC without it' }),
  }),
  notify: z.strictObject({
    channel: z.enum(['log', 'email', 'webhook']).optional().meta({ description: 'Follows from `to` without it' }),
    to: z.string().max(2_000).optional().meta({ description: 'Mail or web address; Liquid template' }),
    subject: z.string().max(500).optional().meta({ description: 'Liquid template' }),
    text: z.string().max(20_000).optional().meta({ description: 'Liquid template; the text of the input without it' }),
    secret: z.string().max(500).optional().meta({ description: 'HMAC key; kept in the secret vault' }),
    ...patience,
  }),
  human: z.strictObject({
    prompt: z.string().max(5_000).optional().meta({ description: 'The question; the label without it' }),
    assignee: z.string().max(500).optional().meta({ description: 'Who is told; by mail if it is an address' }),
    timeout_seconds: z
      .number()
      .int()
      .min(1)
      .max(400 * 86_400)
      .optional()
      .meta({ description: 'How long it is open' }),
  }),
} as const;

const label = z.string().max(200).default('');
const nameOf = (kind: string): string =>
  `Chain${kind
    .split('_')
    .map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`)
    .join('')}Step`;

const stepOf = <K extends PlainKind, C extends z.ZodType>(kind: K, config: C) =>
  z.object({ kind: z.literal(kind), label, config }).meta({ id: nameOf(kind) });

/** A line has one way: errors fail it, park it or are replaced by a value. */
const policy = {
  ...nodePolicy,
  on_error: z
    .union([
      z.enum(['fail', 'park']),
      z.strictObject({ action: z.enum(['fail', 'park']) }),
      z.strictObject({ action: z.literal('fallback'), value: z.custom<Json>((value) => value !== undefined) }),
    ])
    .optional(),
};

const paletteStep = <K extends PaletteKind, C extends z.ZodType>(kind: K, config: C) =>
  z.object({ kind: z.literal(kind), label, config, ...policy }).meta({ id: nameOf(kind) });

export const ChainStep = z.discriminatedUnion('kind', [
  stepOf('trigger', plainConfigs.trigger.prefault({})),
  stepOf('assistant', plainConfigs.assistant.prefault({})),
  stepOf('agent', plainConfigs.agent.prefault({})),
  stepOf('decide', plainConfigs.decide.prefault({})),
  stepOf('webhook', plainConfigs.webhook.prefault({})),
  stepOf('schedule', plainConfigs.schedule.prefault({})),
  stepOf('notify', plainConfigs.notify.prefault({})),
  stepOf('human', plainConfigs.human.prefault({})),
  paletteStep('set', SetConfig),
  paletteStep('delay', DelayConfig),
  paletteStep('until', UntilConfig),
  paletteStep('approval', ApprovalConfig),
  paletteStep('wait_event', WaitEventConfig),
  paletteStep('http', HttpConfig),
  paletteStep('llm', LlmConfig.prefault({})),
  paletteStep('tool', ToolConfig),
  paletteStep('code', CodeConfig),
  paletteStep('knowledge', KnowledgeConfig.prefault({})),
  paletteStep('channel_send', ChannelSendConfig),
  paletteStep('email', EmailConfig),
  paletteStep('respond', RespondConfig.prefault({})),
  paletteStep('subflow', SubflowConfig),
]);
export type ChainStep = z.output<typeof ChainStep>;
export type StepOf<K extends StepKind> = Extract<ChainStep, { kind: K }>;
export type PaletteStep = StepOf<PaletteKind>;

export const isPaletteStep = (step: ChainStep): step is PaletteStep => paletteKinds.some((kind) => kind === step.kind);

const MAX_STEPS = 100;

export const ChainBranch = z
  .object({
    name: z.string().max(200).meta({ description: 'Taken when it occurs in the text before, whatever its case' }),
    steps: z.array(ChainStep).max(MAX_STEPS).default([]),
  })
  .meta({ id: 'ChainBranch' });
export type ChainBranch = z.output<typeof ChainBranch>;

export const ChainDocument = z
  .object({
    name: z.string().trim().min(1).max(200),
    summary: z.string().max(5_000).default(''),
    when_label: z.string().max(200).default(''),
    primary_steps: z.array(ChainStep).max(MAX_STEPS).default([]),
    branches: z.array(ChainBranch).max(50).default([]),
    input_schema: JsonSchema.optional().meta({ description: 'What a run is given is checked against it at the start' }),
    output_schema: JsonSchema.optional().meta({ description: 'What a run puts out is checked against it at the end' }),
  })
  .meta({ id: 'ChainDocument' });
export type ChainDocument = z.output<typeof ChainDocument>;

/** Every step with its dotted path in the document. */
export function stepsOf(document: ChainDocument): readonly { readonly path: string; readonly step: ChainStep }[] {
  const primary = document.primary_steps.map((step, index) => ({ path: `primary_steps.${index}`, step }));
  const side = document.branches.flatMap((branch, b) =>
    branch.steps.map((step, s) => ({ path: `branches.${b}.steps.${s}`, step })),
  );
  return [...primary, ...side];
}

/** The same document with each step mapped. */
export function mapSteps(document: ChainDocument, map: (step: ChainStep) => ChainStep): ChainDocument {
  return {
    ...document,
    primary_steps: document.primary_steps.map(map),
    branches: document.branches.map((branch) => ({ ...branch, steps: branch.steps.map(map) })),
  };
}
