import { textOf, type Json } from '../../workflows/definition/values.js';
import type { NodeContext, NodeDeps } from './context.js';
import { createTemplates } from './template.js';

type TurnContext = NodeContext<'assistant' | 'agent'>;

const systemPrompt = (role: string, agent: string, instructions: string): string =>
  [`You are the ${role} "${agent}".`, instructions].filter((part) => part !== '').join('\n\n');

async function takeTurn(role: string, context: TurnContext, { llm }: NodeDeps): Promise<Json> {
  const { agent, instructions = '', message, model } = context.node.config;
  const templates = createTemplates(context);
  const completion = await llm.complete({
    system: systemPrompt(role, agent, await templates.render('instructions', instructions)),
    messages: [
      {
        role: 'user',
        content: message === undefined ? textOf(context.input) : await templates.render('message', message),
      },
    ],
    ...(model === undefined ? {} : { model }),
    signal: context.signal,
    idempotencyKey: context.idempotencyKey,
  });
  const { text, provider, usage } = completion;
  return { text, model: completion.model, provider, usage: { ...usage } };
}

/** One question, one answer. Output: `{text, model, provider, usage}`. */
export const modelTurn =
  (role: string, deps: NodeDeps) =>
  (context: TurnContext): Promise<Json> =>
    takeTurn(role, context, deps);
