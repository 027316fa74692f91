import { textOf } from '../../workflows/definition/values.js';
import { costOf } from '../llm/prices.js';
import type { NodeAnswer, NodeContext, NodeDeps } from './context.js';
import { stubAnswer } from './effect.js';
import { createTemplates } from './template.js';

type TurnContext = NodeContext<'assistant' | 'agent'>;

const systemPrompt = (role: string, agent: string, instructions: string): string =>
  [`You are the ${role} "${agent}".`, instructions].filter((part) => part !== '').join('\n\n');

async function takeTurn(role: string, context: TurnContext, { llm, prices }: NodeDeps): Promise<NodeAnswer> {
  const { agent, instructions = '', message, model } = context.node.config;
  const templates = createTemplates(context);
  const system = systemPrompt(role, agent, await templates.render('instructions', instructions));
  const content = message === undefined ? textOf(context.input) : await templates.render('message', message);
  const named = model === undefined ? {} : { model };
  if (context.isStubbed) return stubAnswer({ system, message: content, ...named });
  const completion = await llm.complete({
    system,
    messages: [{ role: 'user', content }],
    ...named,
    signal: context.signal,
    idempotencyKey: context.idempotencyKey,
  });
  const { text, provider, usage } = completion;
  const output = { text, model: completion.model, provider, usage: { ...usage } };
  return { output, cost: costOf(usage, prices) };
}

/** One question, one answer. Output: `{text, model, provider, usage}`. */
export const modelTurn =
  (role: string, deps: NodeDeps) =>
  (context: TurnContext): Promise<NodeAnswer> =>
    takeTurn(role, context, deps);
