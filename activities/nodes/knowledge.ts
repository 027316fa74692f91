import { textOf } from '../../workflows/definition/values.js';
import type { KnowledgeHit } from '../knowledge/port.js';
import { costOf } from '../llm/prices.js';
import type { NodeAnswer, NodeContext, NodeDeps, NodeRunner } from './context.js';
import { createModelTemplates, settingsOf } from './model-request.js';

const SYSTEM =
  'Answer the question from the numbered passages alone, and name the numbers you used. If they do not hold the answer, say so.';

function queryOf(context: NodeContext<'knowledge'>): string {
  const { query } = context.node.config;
  if (query !== undefined) return createModelTemplates(context)('query', query);
  const { message } = context.names;
  return typeof message === 'string' ? message : textOf(context.input);
}

async function search(context: NodeContext<'knowledge'>, deps: NodeDeps): Promise<NodeAnswer> {
  const { collection = null, top_k: topK, synthesize } = context.node.config;
  const query = queryOf(context);
  const { workspaceId } = context.run;
  const hits = await deps.knowledge.search({ workspaceId, collection, query, topK, signal: context.signal });
  const results = hits.map((hit) => ({ ...hit }));
  if (!synthesize) return { output: { query, text: hits.map(({ text }) => text).join('\n\n'), results } };
  if (context.isStubbed) return { output: { stubbed: true, would: { system: SYSTEM, query }, query, results } };
  return answer(context, deps, { query, hits });
}

async function answer(
  context: NodeContext<'knowledge'>,
  { llm, prices }: NodeDeps,
  { query, hits }: { readonly query: string; readonly hits: readonly KnowledgeHit[] },
): Promise<NodeAnswer> {
  const passages = hits.map(({ text, source }, index) => `[${index + 1}] (${source}) ${text}`).join('\n\n');
  const completion = await llm.complete({
    system: SYSTEM,
    messages: [{ role: 'user', content: `Question: ${query}\n\nPassages:\n\n${passages}` }],
    ...settingsOf(context.node.config),
    signal: context.signal,
    idempotencyKey: context.idempotencyKey,
    onText: (text) => context.emit({ type: 'token', text }),
  });
  const { text, model, provider, usage } = completion;
  const results = hits.map((hit) => ({ ...hit }));
  return { output: { query, text, results, model, provider, usage: { ...usage } }, cost: costOf(usage, prices) };
}

/** Output: `{query, text, results: [{text, score, source}]}`, and with `synthesize` the model's answer as the text. */
export const knowledge =
  (deps: NodeDeps): NodeRunner<'knowledge'> =>
  (context) =>
    search(context, deps);
