import type { Json } from '../../workflows/definition/values.js';
import type { NodeAnswer, NodeContext, NodeDeps, NodeRunner } from './context.js';
import { deliver, deliveryHeaders, type Delivery } from './delivery.js';
import { carryOut, createDesk, whereOf, type Desk } from './effect.js';
import { unknownPolicyOf } from './ledger.js';
import { bodyOf } from './reply.js';

/**
 * What a receiver gets without a `body` of its own: `{"run_id","step","node_id","input"}`, in this order. It holds no
 * time and no attempt number, so every attempt of a visit sends the same bytes under the same `Idempotency-Key`.
 */
export function webhookBody({ run, node, input }: Pick<NodeContext<'webhook'>, 'run' | 'node' | 'input'>): string {
  return JSON.stringify({ run_id: run.runId, step: node.label || node.id, node_id: node.id, input });
}

async function deliveryOf(context: NodeContext<'webhook'>, { templates, redactText }: Desk): Promise<Delivery> {
  const { url, secret, headers = {}, body: mapping } = context.node.config;
  const body = mapping === undefined ? webhookBody(context) : JSON.stringify(await templates.resolve('body', mapping));
  return {
    field: 'url',
    url: (await templates.render('url', url)).trim(),
    body,
    headers: deliveryHeaders(body, {
      headers: await templates.renderAll('headers', headers),
      secret: secret === undefined ? undefined : await templates.fillSecrets('secret', secret),
    }),
    redactText,
    isFresh: unknownPolicyOf(context.node.config).action !== 'repeat',
  };
}

async function send(context: NodeContext<'webhook'>, deps: NodeDeps): Promise<NodeAnswer> {
  const desk = createDesk(context);
  const delivery = await deliveryOf(context, desk);
  const { url, body } = delivery;
  const effect = {
    kind: 'webhook',
    what: `POST ${whereOf(url)}`,
    request: { method: 'POST', url, body },
    onUnknown: unknownPolicyOf(context.node.config),
    act: async (idempotencyKey: string): Promise<Json> => {
      const { run, signal } = context;
      const sending = { workspaceId: run.workspaceId, idempotencyKey, signal };
      const reply = await deliver(deps.egress, delivery, sending);
      const output = { status: reply.status, body: bodyOf(reply) };
      return reply.truncated ? { ...output, truncated: true } : output;
    },
  };
  const result = await carryOut(context, deps, { desk, effect });
  return 'stub' in result ? result.stub : { output: result.receipt };
}

/** Output: `{status, body}`, with `truncated: true` when the body was cut at 1 MiB. */
export const webhook =
  (deps: NodeDeps): NodeRunner<'webhook'> =>
  (context) =>
    send(context, deps);
