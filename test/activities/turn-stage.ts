import type { LlmPort, LlmRequest, LlmToolCall } from '../../activities/llm/port.js';
import type { NodeDeps } from '../../activities/nodes/runner.js';
import { createRunFacts } from '../../db/run-facts.js';
import type { SegmentResult } from '../../workflows/contract/activities.js';
import { ActionToolConfig, type ActionTool } from '../../workflows/definition/agents/action-tool.js';
import type { AgentTurnConfig, AgentTurnOutput, TurnHandoff } from '../../workflows/definition/agents/agent-turn.js';
import { truthCondition } from '../../workflows/definition/agents/truth-condition.js';
import { inline, type Json } from '../../workflows/definition/values.js';
import { openStage, type NodeRun, type Stage } from './stage.js';

/** What the scripted model answers: words, or calls of tools. A thrown error is the endpoint's. */
export type Answer = { readonly text?: string; readonly calls?: readonly (readonly [name: string, args: Json])[] };

export interface TurnStage extends Omit<Stage, 'attempt' | 'failure'> {
  /** Requests of the model since the last `fresh`. */
  readonly asked: LlmRequest[];
  /** Milliseconds that were waited. */
  readonly pauses: number[];
  /** By the number of the call, from 0. */
  script: (request: LlmRequest, count: number) => Answer;
  readonly attempt: (of?: TurnRun) => Promise<SegmentResult>;
  readonly failure: (of?: TurnRun) => Promise<unknown>;
  /** A turn whose model calls these tools at once, each once, and then says `Done.`. */
  readonly calling: (calls: Answer['calls'], of?: TurnRun) => Promise<Turned>;
  readonly settings: (settings: Readonly<Record<string, Json>>) => Promise<void>;
}

export interface TurnRun extends Partial<Omit<NodeRun<'agent_turn'>, 'kind' | 'scope'>> {
  readonly vars?: Readonly<Record<string, Json>>;
  readonly message?: string;
}

/** What a turn put out, and the variables it set. */
export interface Turned {
  readonly output: AgentTurnOutput;
  readonly vars: Readonly<Record<string, Json>>;
  /** What the model was told of each call. */
  readonly told: readonly Json[];
}

export const tool = (name: string, config: object): ActionTool => ({
  name,
  description: `Does ${name}`,
  config: ActionToolConfig.parse(config),
});

/** Conditions as authors write them, and the CEL of them as plans hold it. */
export const handoff = (
  agent: string,
  { conditions = [], passes = [] }: Partial<Pick<TurnHandoff, 'conditions' | 'passes'>> = {},
): TurnHandoff => ({
  ...{ agent, node: `${agent}_node`, description: `Goes to ${agent}`, passes },
  conditions: conditions.map((text) => {
    const truth = truthCondition(text, 'names');
    if ('expr' in truth) return truth.expr;
    throw new Error(truth.problem);
  }),
});

export const baseConfig: AgentTurnConfig = {
  agent: 'host',
  system: 'You are the host of {{ tenant.name }}.',
  max_steps: 5,
  memory: true,
  tools: [],
  handoffs: [],
  shared: ['booking', 'visits'],
  answers: 'turn',
};

const jsonIn = (value: unknown): Json => (value as { readonly json: Json }).json; // -- reason: small values stay inline

export function turnOf({ outputs, vars = {} }: SegmentResult): Turned {
  const output = jsonIn(outputs[0]) as unknown as AgentTurnOutput; // -- reason: what is under test
  return {
    output,
    vars: Object.fromEntries(Object.entries(vars).map(([name, value]) => [name, jsonIn(value)])),
    // -- reason: traces are JSON objects
    told: output.tool_calls.map((call) => (call as { readonly output: Json }).output),
  };
}

export async function openTurns(): Promise<TurnStage> {
  const stage = await openStage();
  const asked: LlmRequest[] = [];
  const pauses: number[] = [];
  const model: LlmPort = {
    complete: (request) => {
      asked.push(request);
      const { text = '', calls = [] } = turns.script(request, asked.length - 1);
      if (text !== '') request.onText?.(text);
      const toolCalls = calls.map(([name, args], index): LlmToolCall => ({ id: `c${index}`, name, args }));
      return Promise.resolve({
        text,
        toolCalls,
        model: 'm',
        provider: 'p',
        usage: { input_tokens: 3, output_tokens: 2 },
      });
    },
  };
  const deps: Partial<NodeDeps> = {
    llm: model,
    runFacts: createRunFacts(stage.db, { freshMs: 0 }),
    prices: { inputPerMtok: 1, outputPerMtok: 1 },
    pause: (ms) => Promise.resolve(void pauses.push(ms)),
  };
  const runOf = ({ vars = {}, message = 'hello', config, deps: own, ...more }: TurnRun): NodeRun<'agent_turn'> => ({
    kind: 'agent_turn',
    config: { ...baseConfig, ...config },
    scope: {
      vars: Object.fromEntries(Object.entries(vars).map(([name, value]) => [name, inline(value)])),
      message,
    },
    deps: { ...deps, ...own },
    ...more,
  });
  const turns: TurnStage = {
    ...stage,
    asked,
    pauses,
    script: () => ({ text: 'Hello.' }),
    fresh: async () => {
      await stage.fresh();
      asked.length = 0;
      pauses.length = 0;
      turns.script = () => ({ text: 'Hello.' });
    },
    attempt: (of = {}) => stage.attempt(runOf(of)),
    failure: (of = {}) => stage.failure(runOf(of)),
    calling: async (calls = [], of = {}) => {
      turns.script = (_request, count) => (count === 0 ? { calls } : { text: 'Done.' });
      return turnOf(await turns.attempt(of));
    },
    settings: async (settings) => {
      await stage.db
        .updateTable('tenants')
        .set({ settings: JSON.stringify(settings) })
        .execute();
    },
  };
  return turns;
}
