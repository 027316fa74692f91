import { textOf } from '../../workflows/definition/values.js';
import type { LlmRequest } from '../llm/port.js';
import { costOf } from '../llm/prices.js';
import type { NodeAnswer, NodeContext, NodeDeps, NodeRunner } from './context.js';
import { createModelTemplates, settingsOf } from './model-request.js';
import { structured } from './structured.js';

function requestOf(context: NodeContext<'llm'>): Omit<LlmRequest, 'signal' | 'idempotencyKey'> {
  const { config } = context.node;
  const render = createModelTemplates(context);
  const content = config.prompt === undefined ? textOf(context.input) : render('prompt', config.prompt);
  return {
    system: render('system', config.system ?? ''),
    messages: [{ role: 'user', content }],
    ...settingsOf(config),
    ...(config.schema === undefined ? {} : { schema: config.schema }),
  };
}

async function ask(context: NodeContext<'llm'>, deps: NodeDeps): Promise<NodeAnswer> {
  const request = requestOf(context);
  const { signal, idempotencyKey } = context;
  if (context.isStubbed) return stubbed(request);
  const completion = await deps.llm.complete({
    ...request,
    signal,
    idempotencyKey,
    onText: (text) => context.emit({ type: 'token', text }),
  });
  const cost = costOf(completion.usage, deps.prices);
  if (request.schema !== undefined)
    return { output: structured(request.schema, completion.text, { field: 'schema', cost }), cost };
  const { text, model, provider, usage } = completion;
  return { output: { text, model, provider, usage: { ...usage } }, cost };
}

/** A model costs money, so a test run asks it only when told to. */
const stubbed = ({ system, messages, schema, model }: Omit<LlmRequest, 'signal' | 'idempotencyKey'>): NodeAnswer => {
  const [message] = messages;
  const would = { system, message: message?.role === 'user' ? message.content : '' };
  const more = { ...(schema === undefined ? {} : { schema }), ...(model === undefined ? {} : { model }) };
  return { output: { stubbed: true, would: { ...would, ...more } } };
};

/** Output: `{text, model, provider, usage}`, or with a schema the JSON itself. */
export const llm =
  (deps: NodeDeps): NodeRunner<'llm'> =>
  (context) =>
    ask(context, deps);
