import { textOf } from '../../workflows/definition/values.js';
import type { NodeAnswer, NodeContext, NodeDeps, NodeRunner } from './context.js';
import { carryOut, createDesk, fieldsOf } from './effect.js';
import { Fault, invalid } from './failure.js';
import { unknownPolicyOf } from './ledger.js';
import { plannedMessage } from './message.js';

async function send(context: NodeContext<'channel_send'>, deps: NodeDeps): Promise<NodeAnswer> {
  const { config } = context.node;
  const desk = createDesk(context);
  const text = config.text === undefined ? textOf(context.input) : await desk.templates.render('text', config.text);
  if (config.channel === 'log') return toLog(context, deps, desk.redactText(text));
  const url = (await desk.templates.render('to', config.to ?? '')).trim();
  if (url === '') throw invalid(Fault.configInvalid, 'to: this step names nobody; set it to the address of a webhook.');
  const effect = await plannedMessage(context, deps, {
    desk,
    url,
    secret: config.secret,
    text,
    onUnknown: unknownPolicyOf(config),
  });
  const result = await carryOut(context, deps, { desk, effect });
  if ('stub' in result) return result.stub;
  return { output: { channel: 'webhook', text, ...fieldsOf(result.receipt) } };
}

/** A line in our own log is no effect on anybody: it is written in test runs as well. */
function toLog(
  { run, node, idempotencyKey }: NodeContext<'channel_send'>,
  { log }: NodeDeps,
  text: string,
): NodeAnswer {
  log.info({ ...run, nodeId: node.id, idempotencyKey, text }, 'channel_send');
  return { output: { channel: 'log', text } };
}

/** Output: `{channel, text}` and what the channel adds. */
export const channelSend =
  (deps: NodeDeps): NodeRunner<'channel_send'> =>
  (context) =>
    send(context, deps);
