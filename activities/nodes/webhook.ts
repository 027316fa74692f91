import type { Json } from '../../workflows/definition/values.js';
import type { NodeContext, NodeDeps, NodeRunner } from './context.js';
import { deliver } from './delivery.js';
import { createRedactor, recordSecrets } from './redact.js';
import { bodyOf } from './reply.js';
import { createTemplates, type Templates } from './template.js';

/**
 * What a receiver gets: `{"run_id","step","node_id","input"}`, in this order. It holds no time and no attempt number,
 * so every attempt of a visit sends the same bytes under the same `Idempotency-Key`.
 */
export function webhookBody({ run, node, input }: Pick<NodeContext<'webhook'>, 'run' | 'node' | 'input'>): string {
  return JSON.stringify({ run_id: run.runId, step: node.label || node.id, node_id: node.id, input });
}

async function renderHeaders(
  headers: Readonly<Record<string, string>>,
  templates: Templates,
): Promise<Record<string, string>> {
  const rendered: [string, string][] = [];
  for (const [name, value] of Object.entries(headers))
    rendered.push([name, await templates.render(`headers.${name}`, value)]);
  return Object.fromEntries(rendered);
}

async function send(context: NodeContext<'webhook'>, { egress }: NodeDeps): Promise<Json> {
  const { secret: lookUp, used } = recordSecrets(context.secret);
  const templates = createTemplates({ ...context, secret: lookUp });
  const { url, secret, headers = {} } = context.node.config;
  const reply = await deliver(egress, {
    field: 'url',
    url: (await templates.render('url', url)).trim(),
    body: webhookBody(context),
    headers: await renderHeaders(headers, templates),
    secret: secret === undefined ? undefined : await templates.fillSecrets('secret', secret),
    idempotencyKey: context.idempotencyKey,
    signal: context.signal,
    redactText: (text) => createRedactor(used).redactText(text),
  });
  const output = { status: reply.status, body: bodyOf(reply) };
  return reply.truncated ? { ...output, truncated: true } : output;
}

/** Output: `{status, body}`, with `truncated: true` when the body was cut at 1 MiB. */
export const webhook =
  (deps: NodeDeps): NodeRunner<'webhook'> =>
  (context) =>
    send(context, deps);
