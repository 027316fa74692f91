import { textOf } from '../../workflows/definition/values.js';
import type { NodeAnswer, NodeContext, NodeDeps, NodeRunner } from './context.js';
import { carryOut, createDesk } from './effect.js';
import { Fault, invalid } from './failure.js';
import { unknownPolicyOf } from './ledger.js';
import { plannedMail } from './mail.js';

async function send(context: NodeContext<'email'>, deps: NodeDeps): Promise<NodeAnswer> {
  const { config, label } = context.node;
  const desk = createDesk(context);
  const render = (field: 'text' | 'html', template: string | undefined): Promise<string> | undefined =>
    template === undefined ? undefined : desk.templates.render(field, template);
  const to = (await desk.templates.render('to', config.to)).trim();
  if (to === '') throw invalid(Fault.configInvalid, 'to: this step names nobody; set it to an e-mail address.');
  const subject = (await desk.templates.render('subject', config.subject ?? '')) || label || 'Message from Keelson';
  const html = await render('html', config.html);
  const text = await render('text', config.text);
  const mail = {
    to,
    subject,
    ...(html === undefined ? {} : { html }),
    // of a mail with HTML alone the mail port writes no text
    ...(text === undefined && html !== undefined ? {} : { text: text ?? textOf(context.input) }),
  };
  const effect = plannedMail(context, deps, { mail, onUnknown: unknownPolicyOf(config) });
  const result = await carryOut(context, deps, { desk, effect });
  if ('stub' in result) return result.stub;
  const receipt = typeof result.receipt === 'object' && result.receipt !== null ? result.receipt : {};
  return { output: { to, subject, ...(mail.text === undefined ? {} : { text: mail.text }), ...receipt } };
}

/** Output: `{to, subject, text?, message_id}`. */
export const email =
  (deps: NodeDeps): NodeRunner<'email'> =>
  (context) =>
    send(context, deps);
