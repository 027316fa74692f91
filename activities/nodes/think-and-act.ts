import type { Cost } from '../../workflows/contract/run.js';
import type { ActivityKind } from '../../workflows/contract/activities.js';
import type { Json } from '../../workflows/definition/values.js';
import type { LlmCompletion, LlmMessage, LlmRequest, LlmTool, LlmToolCall, LlmUsage } from '../llm/port.js';
import { costOf } from '../llm/prices.js';
import type { NodeContext, NodeDeps } from './context.js';
import { NodeFailure, withCost } from './failure.js';

/** The loop of every agent: the model is asked, what it asks for is done and told to it, until it answers. */

export interface ToolTrace {
  readonly name: string;
  readonly args: Json;
  readonly output: Json;
  readonly duration_ms: number;
}

/** What became of one call of a tool. */
export interface Acted {
  readonly trace: ToolTrace;
  /** Variables it sets. */
  readonly vars?: Readonly<Record<string, Json>>;
  /** The model is not asked again. */
  readonly isLast?: boolean;
}

export interface Thinker {
  readonly context: Pick<NodeContext<ActivityKind>, 'ledger' | 'emit' | 'signal' | 'isLastAttempt'>;
  readonly deps: Pick<NodeDeps, 'llm' | 'prices'>;
  readonly request: Pick<LlmRequest, 'system' | 'model' | 'temperature' | 'maxTokens' | 'schema'>;
  readonly tools: readonly LlmTool[];
  /** Calls of the model at most. */
  readonly maxSteps: number;
  /** `number` counts the calls of tools of this visit from 1. */
  readonly act: (call: LlmToolCall, number: number) => Promise<Acted>;
  /** Throws for a last answer that is not to be kept, so that another attempt asks anew. */
  readonly check?: (answer: LlmCompletion) => void;
  /** Tells that the model is asked, and that it has answered. */
  readonly onAsk?: (event: 'llm_start' | 'llm_end') => void;
}

/** What a turn came to. */
export interface Thought {
  /** The model's last answer. */
  readonly answer: LlmCompletion;
  readonly calls: readonly ToolTrace[];
  readonly vars: Readonly<Record<string, Json>>;
  readonly usage: LlmUsage;
  /** Time the model took. */
  readonly llmMs: number;
}

type Progress = Omit<Thought, 'answer'> & { readonly messages: readonly LlmMessage[] };
type Answer = LlmCompletion & { readonly llm_ms?: number };

const NOTHING: Omit<Progress, 'messages'> = {
  calls: [],
  vars: {},
  usage: { input_tokens: 0, output_tokens: 0 },
  llmMs: 0,
};

/** -- reason: these are plain data; their types only say more than `Json` does */
export const asJson = (data: object): Json => JSON.parse(JSON.stringify(data)) as Json;

/** Every call of the model goes through the ledger, so that after a crash none is paid for twice. */
export async function thinkAndAct(thinker: Thinker, messages: readonly LlmMessage[]): Promise<Thought> {
  let progress: Progress = { ...NOTHING, messages };
  try {
    for (let step = 1; ; step += 1) {
      const answer = await think(thinker, progress.messages, step);
      progress = counted(progress, answer);
      if (isLast(thinker, answer, step)) return { ...progress, answer };
      const acted = await act(thinker, progress, answer);
      progress = acted.progress;
      if (acted.isLast) return { ...progress, answer };
    }
  } catch (error) {
    throw withItsCost(thinker, progress, error);
  }
}

/** The model has nothing more done. */
const isLast = ({ maxSteps }: Thinker, { toolCalls }: Answer, step: number): boolean =>
  toolCalls.length === 0 || step >= maxSteps;

/** One call of the model. */
async function think(thinker: Thinker, messages: readonly LlmMessage[], step: number): Promise<Answer> {
  const { context, request } = thinker;
  const { system, ...settings } = request;
  // the last call has no tools, so that it must answer
  const tools = step < thinker.maxSteps ? thinker.tools : [];
  const asked = { system, messages, tools, ...settings };
  const receipt = await context.ledger.perform({
    part: `llm/${step}`,
    kind: 'llm',
    what: 'A call of the model',
    request: asJson(asked),
    onUnknown: { action: 'repeat' },
    whenChanged: 'replaces',
    // -- reason: `ask` is the only one to write this receipt
    isLast: (answer) => isLast(thinker, answer as unknown as Answer, step),
    act: (idempotencyKey) => ask(thinker, { ...asked, idempotencyKey }),
  });
  // -- reason: `ask` is the only one to write this receipt
  return receipt as unknown as Answer;
}

async function ask(
  { context, deps, check, onAsk }: Thinker,
  request: Omit<LlmRequest, 'signal' | 'onText'>,
): Promise<Json> {
  const { emit, signal } = context;
  const startedAt = Date.now();
  onAsk?.('llm_start');
  try {
    const answer = await deps.llm.complete({ ...request, signal, onText: (text) => emit({ type: 'token', text }) });
    if (answer.toolCalls.length === 0 || request.tools?.length === 0) check?.(answer);
    return asJson({ ...answer, llm_ms: Date.now() - startedAt });
  } finally {
    onAsk?.('llm_end');
  }
}

const counted = (progress: Progress, { usage, llm_ms: ms = 0 }: Answer): Progress => ({
  ...progress,
  usage: {
    input_tokens: progress.usage.input_tokens + usage.input_tokens,
    output_tokens: progress.usage.output_tokens + usage.output_tokens,
  },
  llmMs: progress.llmMs + ms,
});

/** Does what the model asked for, in order; what comes after a call that ends the turn is left out. */
async function act(
  thinker: Thinker,
  progress: Progress,
  { text, toolCalls }: Answer,
): Promise<{ readonly progress: Progress; readonly isLast: boolean }> {
  let { calls, vars } = progress;
  const messages: LlmMessage[] = [...progress.messages, { role: 'assistant', content: text, toolCalls }];
  for (const call of toolCalls) {
    const done = await thinker.act(call, calls.length + 1);
    calls = [...calls, done.trace];
    vars = { ...vars, ...done.vars };
    messages.push({ role: 'tool', callId: call.id, name: call.name, output: done.trace.output });
    if (done.isLast === true) return { progress: { ...progress, messages, calls, vars }, isLast: true };
  }
  return { progress: { ...progress, messages, calls, vars }, isLast: false };
}

/** What is in the ledger is counted by the attempt that goes on from there, or by this one when none follows. */
function withItsCost({ context, deps }: Thinker, { usage }: Progress, error: unknown): unknown {
  if (!(error instanceof NodeFailure) || (error.retryable && !context.isLastAttempt)) return error;
  return withCost(error, added(costOf(usage, deps.prices), error.cost));
}

const added = (cost: Cost, more: Cost | null): Cost => ({
  usd: cost.usd + (more?.usd ?? 0),
  input_tokens: cost.input_tokens + (more?.input_tokens ?? 0),
  output_tokens: cost.output_tokens + (more?.output_tokens ?? 0),
});
