import { textOf, type Json } from '../../workflows/definition/values.js';
import type { NotifyConfig } from '../../workflows/definition/plan.js';
import type { NodeContext, NodeDeps, NodeRunner } from './context.js';
import { deliver } from './delivery.js';
import { Fault, invalid } from './failure.js';
import { createRedactor, recordSecrets } from './redact.js';
import { createTemplates, type Templates } from './template.js';

interface Notice {
  readonly context: NodeContext<'notify'>;
  readonly templates: Templates;
  readonly text: string;
  /** Takes out the secrets used so far. */
  readonly redactText: (text: string) => string;
  readonly deps: NodeDeps;
}

const DEFAULT_SUBJECT = 'Message from Keelson';

async function address({ context, templates }: Notice, meaning: string): Promise<string> {
  const to = (await templates.render('to', context.node.config.to ?? '')).trim();
  if (to === '') throw invalid(Fault.configInvalid, `to: this step names nobody; set it to ${meaning}.`);
  return to;
}

async function subjectOf({ context, templates }: Notice): Promise<string | undefined> {
  const { subject } = context.node.config;
  return subject === undefined ? undefined : templates.render('subject', subject);
}

function toLog({ context, text, deps }: Notice): Promise<Json> {
  const { run, node, idempotencyKey } = context;
  deps.log.info({ ...run, nodeId: node.id, idempotencyKey, text }, 'notify');
  return Promise.resolve({ channel: 'log', text });
}

async function toMail(notice: Notice): Promise<Json> {
  const { context, text, deps } = notice;
  if (deps.mail === null)
    throw invalid(Fault.mailNotConfigured, 'No mail server is configured; ask the operator to set the SMTP settings.');
  const to = await address(notice, 'an e-mail address');
  const subject = (await subjectOf(notice)) ?? (context.node.label || DEFAULT_SUBJECT);
  const { idempotencyKey, signal } = context;
  const { messageId } = await deps.mail.send({ to, subject, text, idempotencyKey, signal });
  return { channel: 'email', to, subject, text, message_id: messageId };
}

/** The receiver gets `{"run_id","step","node_id","subject","text"}`; `subject` only when the step has one. */
async function toWebhook(notice: Notice): Promise<Json> {
  const { context, templates, text, redactText, deps } = notice;
  const { run, node, idempotencyKey, signal } = context;
  const { secret } = node.config;
  const subject = await subjectOf(notice);
  const { status } = await deliver(deps.egress, {
    field: 'to',
    url: await address(notice, 'the address of a webhook'),
    body: JSON.stringify({ run_id: run.runId, step: node.label || node.id, node_id: node.id, subject, text }),
    secret: secret === undefined ? undefined : await templates.fillSecrets('secret', secret),
    idempotencyKey,
    signal,
    redactText,
  });
  return { channel: 'webhook', status, text };
}

const sendBy: Readonly<Record<NotifyConfig['channel'], (notice: Notice) => Promise<Json>>> = {
  log: toLog,
  email: toMail,
  webhook: toWebhook,
};

async function send(context: NodeContext<'notify'>, deps: NodeDeps): Promise<Json> {
  const { channel, text } = context.node.config;
  const recorded = recordSecrets(context.secret);
  const templates = createTemplates({ ...context, secret: recorded.secret });
  const rendered = text === undefined ? textOf(context.input) : await templates.render('text', text);
  const redactText = (said: string): string => createRedactor(recorded.used).redactText(said);
  // a log is read by people whom the secret is not meant for
  const shown = channel === 'log' ? redactText(rendered) : rendered;
  return sendBy[channel]({ context, templates, text: shown, redactText, deps });
}

/** Output: `{channel, text}` and what the channel adds, so the next step's text is the message. */
export const notify =
  (deps: NodeDeps): NodeRunner<'notify'> =>
  (context) =>
    send(context, deps);
