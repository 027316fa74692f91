import { textOf, type Json } from '../../workflows/definition/values.js';
import type { LlmCompletion, LlmRequest } from '../llm/port.js';
import { costOf } from '../llm/prices.js';
import type { NodeAnswer, NodeContext, NodeDeps, NodeRunner } from './context.js';
import { Fault, NodeFailure } from './failure.js';
import { createModelTemplates, settingsOf } from './model-request.js';
import { misfit } from './schema.js';

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
  if (request.schema !== undefined) return { output: structured(request.schema, completion, cost), cost };
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

/** Models that know nothing of schemas often put their JSON in a fenced block. */
const unfenced = (text: string): string => /^\s*```(?:json)?\s*\n([\s\S]*?)\n?\s*```\s*$/.exec(text)?.[1] ?? text;

function structured(schema: Json, { text }: LlmCompletion, cost: NodeAnswer['cost']): Json {
  const wrong = (problem: string): NodeFailure =>
    new NodeFailure(Fault.modelOutput, `The model's answer does not fit the schema: ${problem}.`, {
      retryable: true,
      cost,
    });
  let json: Json;
  try {
    // -- reason: JSON.parse gives nothing else
    json = JSON.parse(unfenced(text)) as Json;
  } catch {
    throw wrong('it is no JSON');
  }
  const problem = misfit(schema, json, { field: 'schema' });
  if (problem !== null) throw wrong(problem);
  return json;
}

/** Output: `{text, model, provider, usage}`, or with a schema the JSON itself. */
export const llm =
  (deps: NodeDeps): NodeRunner<'llm'> =>
  (context) =>
    ask(context, deps);
