import { textOf, type Json } from '../../workflows/definition/values.js';
import type { NotifyConfig } from '../../workflows/definition/plan.js';
import type { NodeAnswer, NodeContext, NodeDeps, NodeRunner } from './context.js';
import { carryOut, createDesk, fieldsOf, type Desk, type PlannedEffect } from './effect.js';
import { Fault, invalid } from './failure.js';
import { plannedMail } from './mail.js';
import { plannedMessage } from './message.js';

interface Notice {
  readonly context: NodeContext<'notify'>;
  readonly desk: Desk;
  readonly text: string;
  readonly deps: NodeDeps;
}

const DEFAULT_SUBJECT = 'Message from Keelson';

async function address({ context, desk }: Notice, meaning: string): Promise<string> {
  const to = (await desk.templates.render('to', context.node.config.to ?? '')).trim();
  if (to === '') throw invalid(Fault.configInvalid, `to: this step names nobody; set it to ${meaning}.`);
  return to;
}

async function subjectOf({ context, desk }: Notice): Promise<string | undefined> {
  const { subject } = context.node.config;
  return subject === undefined ? undefined : desk.templates.render('subject', subject);
}

/** A log is read by people whom a secret is not meant for. */
function toLog({ context, desk, text, deps }: Notice): Promise<NodeAnswer> {
  const { run, node, idempotencyKey } = context;
  const shown = desk.redactText(text);
  deps.log.info({ ...run, nodeId: node.id, idempotencyKey, text: shown }, 'notify');
  return Promise.resolve({ output: { channel: 'log', text: shown } });
}

async function toMail(notice: Notice): Promise<NodeAnswer> {
  const { context, text, deps } = notice;
  const subject = (await subjectOf(notice)) ?? (context.node.label || DEFAULT_SUBJECT);
  const to = await address(notice, 'an e-mail address');
  const effect = plannedMail(context, deps, { mail: { to, subject, text }, onUnknown: { action: 'repeat' } });
  return carried(notice, effect, (receipt) => ({ channel: 'email', to, subject, text, ...receipt }));
}

async function toWebhook(notice: Notice): Promise<NodeAnswer> {
  const { context, desk, text, deps } = notice;
  const effect = await plannedMessage(context, deps, {
    desk,
    url: await address(notice, 'the address of a webhook'),
    secret: context.node.config.secret,
    subject: await subjectOf(notice),
    text,
    onUnknown: { action: 'repeat' },
  });
  return carried(notice, effect, (receipt) => ({ channel: 'webhook', ...receipt, text }));
}

async function carried(
  { context, desk, deps }: Notice,
  effect: PlannedEffect,
  outputOf: (receipt: object) => Json,
): Promise<NodeAnswer> {
  const result = await carryOut(context, deps, { desk, effect });
  if ('stub' in result) return result.stub;
  return { output: outputOf(fieldsOf(result.receipt)) };
}

const sendBy: Readonly<Record<NotifyConfig['channel'], (notice: Notice) => Promise<NodeAnswer>>> = {
  log: toLog,
  email: toMail,
  webhook: toWebhook,
};

async function send(context: NodeContext<'notify'>, deps: NodeDeps): Promise<NodeAnswer> {
  const { channel, text } = context.node.config;
  const desk = createDesk(context);
  const rendered = text === undefined ? textOf(context.input) : await desk.templates.render('text', text);
  return sendBy[channel]({ context, desk, text: rendered, deps });
}

/** Output: `{channel, text}` and what the channel adds, so the next step's text is the message. */
export const notify =
  (deps: NodeDeps): NodeRunner<'notify'> =>
  (context) =>
    send(context, deps);
