import {
  isPaletteStep,
  paletteConfigs,
  type ChainDocument,
  type ChainStep,
  type PaletteStep,
  type PlainKind,
  type StepKind,
  type StepOf,
} from './chain.js';
import { templateFields } from './chain-fields.js';
import { fieldsOf, readsOfField } from './fields.js';
import { readsOfKind, readsPart } from './graph-nodes.js';
import { withEveryStep } from './graph-steps.js';
import { literalTemplate } from './liquid.js';
import { ApprovalConfig } from './nodes/waits.js';
import { policyFor } from './policies.js';
import { present } from './present.js';
import { mergeReads } from './reads.js';
import type { Json } from './values.js';
import {
  defaultPolicy,
  type NodeConfigs,
  type NodeKind,
  type NodePolicy,
  type Plan,
  type PlanEdge,
  type PlanNode,
} from './plan.js';

/** The id of a primary step's node, and of a branch step's behind the `decide` step that may take it. */
const primaryNodeId = (index: number): string => `p${index}`;
const branchNodeId = (decide: number, branch: number, step: number): string => `p${decide}.b${branch}.${step}`;
export const isBranchNode = (nodeId: string): boolean => /^p\d+\.b/.test(nodeId);

/**
 * Compiles a chain. The main line runs in order; behind a `decide` step the first branch whose name occurs in the text
 * runs before the line goes on, and none if no name occurs. Null for a chain without steps.
 */
export function compileChain(document: ChainDocument): Plan | null {
  const { primary_steps: steps } = document;
  if (steps.length === 0) return null;
  const nodes: PlanNode[] = [];
  const edges: PlanEdge[] = [];
  for (const [index, step] of steps.entries()) {
    const id = primaryNodeId(index);
    const next = index + 1 < steps.length ? primaryNodeId(index + 1) : null;
    nodes.push(nodeFor(id, step, isEntry(steps, index)));
    if (step.kind === 'decide') {
      const side = compileBranches(document, index, next);
      nodes.push(...side.nodes);
      edges.push(...side.edges);
    }
    if (next !== null) edges.push(plain(id, next, step.kind));
  }
  return withEveryStep({
    entry: primaryNodeId(0),
    nodes: Object.fromEntries(nodes.map((node) => [node.id, node])),
    edges,
    ...(document.input_schema === undefined ? {} : { inputSchema: document.input_schema }),
    ...(document.output_schema === undefined ? {} : { outputSchema: document.output_schema }),
  });
}

/** The cron expression a live chain starts itself by: that of its first step behind the trigger. */
export function chainCron(document: ChainDocument): { readonly cron: string; readonly timezone: string } | null {
  const index = document.primary_steps.findIndex((step) => step.kind !== 'trigger');
  const step = document.primary_steps[index];
  if (step?.kind !== 'schedule' || step.config.cron === undefined || !isEntry(document.primary_steps, index))
    return null;
  return { cron: step.config.cron, timezone: step.config.timezone ?? 'UTC' };
}

/** The branches a `decide` step chooses between, with their places in the document. */
function branchesOf(
  document: ChainDocument,
  decide: StepOf<'decide'>,
): readonly { readonly index: number; readonly name: string; readonly steps: readonly ChainStep[] }[] {
  const { branches: names } = decide.config;
  return document.branches
    .map(({ name, steps }, index) => ({ index, name, steps }))
    .filter(({ name }) => name !== '' && (names === undefined || names.includes(name)));
}

const isEntry = (steps: readonly ChainStep[], index: number): boolean =>
  steps.slice(0, index).every((step) => step.kind === 'trigger');

function compileBranches(
  document: ChainDocument,
  decide: number,
  next: string | null,
): { readonly nodes: readonly PlanNode[]; readonly edges: readonly PlanEdge[] } {
  const step = document.primary_steps[decide];
  if (step?.kind !== 'decide') return { nodes: [], edges: [] };
  const compiled = branchesOf(document, step).map((branch) => {
    const ids = branch.steps.map((_, index) => branchNodeId(decide, branch.index, index));
    const line = [...ids, ...(next === null ? [] : [next])];
    const [first] = line;
    const enter: PlanEdge[] =
      first === undefined
        ? []
        : [
            {
              ...plain(primaryNodeId(decide), first, 'decide'),
              condition: { type: 'contains', text: branch.name },
              label: branch.name,
            },
          ];
    const inner = ids.flatMap((id, index) => {
      const target = line[index + 1];
      const kind = branch.steps[index]?.kind ?? 'trigger';
      return target === undefined ? [] : [plain(id, target, kind)];
    });
    return {
      nodes: branch.steps.map((each, index) => nodeFor(ids[index] ?? '', each, false)),
      edges: [...enter, ...inner],
    };
  });
  return { nodes: compiled.flatMap(({ nodes }) => nodes), edges: compiled.flatMap(({ edges }) => edges) };
}

const plain = (from: string, to: string, kind: StepKind): PlanEdge => ({
  from,
  to,
  port: kind === 'human' || kind === 'approval' ? 'approved' : 'out',
  condition: { type: 'always' },
  label: null,
});

type Compiled = { readonly [K in NodeKind]: { readonly kind: K; readonly config: NodeConfigs[K] } }[NodeKind];

type Compile<K extends PlainKind> = (step: StepOf<K>, isEntry: boolean) => Compiled;

/** Total over the kinds that are a chain's own: a kind without an entry does not compile. */
const compile: { readonly [K in PlainKind]: Compile<K> } = {
  trigger: () => ({ kind: 'pass', config: {} }),
  assistant: (step) => ({ kind: 'assistant', config: turnConfig(step) }),
  agent: (step) => ({ kind: 'agent', config: turnConfig(step) }),
  decide: () => ({ kind: 'branch', config: {} }),
  webhook: ({ config: { url, secret, headers } }) =>
    url === undefined
      ? { kind: 'pass', config: {} }
      : { kind: 'webhook', config: { url, ...present({ secret, headers }), on_unknown: { action: 'repeat' } } },
  schedule: (step, isEntry) => scheduleConfig(step, isEntry),
  notify: (step) => ({ kind: 'notify', config: notifyConfig(step) }),
  human: ({ label, config: { prompt, assignee, timeout_seconds } }) => ({
    kind: 'approval',
    config: ApprovalConfig.parse(present({ prompt: prompt ?? literalTemplate(label), assignee, timeout_seconds })),
  }),
};

function nodeFor(id: string, step: ChainStep, isEntry: boolean): PlanNode {
  const base = { id, label: step.label === '' ? step.kind : step.label, dialectKind: step.kind };
  if (isPaletteStep(step)) return { ...base, ...paletteNode(step) };
  // -- reason: the record holds for each kind the function of that kind; the compiler cannot relate the two
  const compiled = (compile[step.kind] as Compile<PlainKind>)(step, isEntry);
  const reads = mergeReads(...templateFields(step).map(readsOfField));
  return { ...base, policy: policyOf(step), ...compiled, ...readsPart(reads) };
}

/** A step of the palette is the node itself. */
function paletteNode(step: PaletteStep) {
  const { kind, config, save_as: saveAs } = step;
  // -- reason: configurations are JSON that zod has read
  const fields = fieldsOf(paletteConfigs[kind], config as Json).map(readsOfField);
  const reads = mergeReads(...fields, readsOfKind(kind, config));
  // -- reason: kind and config come from one step; the compiler cannot relate the two
  const compiled = { kind, config } as Compiled;
  return { ...compiled, policy: policyFor(kind, step), ...present({ saveAs }), ...readsPart(reads) };
}

function turnConfig({ label, config }: StepOf<'agent' | 'assistant'>): NodeConfigs['agent'] {
  const { agent_slug: slug, message, instructions, model } = config;
  return {
    agent: slug ?? label,
    ...(instructions === undefined ? {} : { instructions }),
    ...(message === undefined ? {} : { message }),
    ...(model === undefined ? {} : { model }),
  };
}

/** A cron expression that starts the chain has done its work when the run begins. */
function scheduleConfig({ config }: StepOf<'schedule'>, isEntry: boolean): Compiled {
  const { cron, delay_seconds: seconds, timezone = 'UTC' } = config;
  if (seconds !== undefined) return { kind: 'delay', config: { seconds } };
  if (cron === undefined || isEntry) return { kind: 'pass', config: {} };
  return { kind: 'delay', config: { cron, timezone } };
}

function notifyConfig({ config }: StepOf<'notify'>): NodeConfigs['notify'] {
  const { channel, to, subject, text, secret } = config;
  return {
    channel: channel ?? channelFor(to),
    ...(to === undefined ? {} : { to }),
    ...(subject === undefined ? {} : { subject }),
    ...(text === undefined ? {} : { text }),
    ...(secret === undefined ? {} : { secret }),
  };
}

function channelFor(to: string | undefined): 'log' | 'email' | 'webhook' {
  if (to === undefined) return 'log';
  return /^https?:/i.test(to) ? 'webhook' : 'email';
}

const modelPatience = { timeoutMs: 120_000, maxAttempts: 3 };
const deliveryPatience = { timeoutMs: 10_000, maxAttempts: 6 };

function policyOf(step: StepOf<PlainKind>): NodePolicy {
  const base = step.kind === 'agent' || step.kind === 'assistant' ? modelPatience : deliveryPatience;
  const { timeout_seconds: seconds, max_retries: retries } = { ...noPatience, ...step.config };
  return {
    ...defaultPolicy,
    timeoutMs: seconds === undefined || step.kind === 'human' ? base.timeoutMs : seconds * 1_000,
    maxAttempts: retries === undefined ? base.maxAttempts : retries + 1,
  };
}

const noPatience: { readonly timeout_seconds?: number | undefined; readonly max_retries?: number | undefined } = {};
