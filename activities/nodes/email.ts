import { textOf } from '../../workflows/definition/values.js';
import type { NodeAnswer, NodeContext, NodeDeps, NodeRunner } from './context.js';
import { carryOut, createDesk, fieldsOf, type Desk } from './effect.js';
import { Fault, invalid } from './failure.js';
import { unknownPolicyOf } from './ledger.js';
import { plannedMail, type MailText } from './mail.js';

async function addressOf({ node }: NodeContext<'email'>, { templates }: Desk): Promise<string> {
  const to = (await templates.render('to', node.config.to)).trim();
  if (to !== '') return to;
  throw invalid(Fault.configInvalid, 'to: this step names nobody; set it to an e-mail address.');
}

/** With neither template the input's text is the mail; of one with HTML alone there is no text. */
async function contentOf(
  { node, input }: NodeContext<'email'>,
  { templates }: Desk,
): Promise<Pick<MailText, 'text' | 'html'>> {
  const { html, text } = node.config;
  if (html === undefined && text === undefined) return { text: textOf(input) };
  return {
    ...(text === undefined ? {} : { text: await templates.render('text', text) }),
    ...(html === undefined ? {} : { html: await templates.render('html', html) }),
  };
}

async function send(context: NodeContext<'email'>, deps: NodeDeps): Promise<NodeAnswer> {
  const { config, label } = context.node;
  const desk = createDesk(context);
  const to = await addressOf(context, desk);
  const subject = (await desk.templates.render('subject', config.subject ?? '')) || label || 'Message from Keelson';
  const mail = { to, subject, ...(await contentOf(context, desk)) };
  const effect = plannedMail(context, deps, { mail, onUnknown: unknownPolicyOf(config) });
  const result = await carryOut(context, deps, { desk, effect });
  if ('stub' in result) return result.stub;
  const text = mail.text === undefined ? {} : { text: mail.text };
  return { output: { to, subject, ...text, ...fieldsOf(result.receipt) } };
}

/** Output: `{to, subject, text?, message_id}`. */
export const email =
  (deps: NodeDeps): NodeRunner<'email'> =>
  (context) =>
    send(context, deps);
