import { createHash } from 'node:crypto';
import { createTransport } from 'nodemailer';
import { Fault, invalid, NodeFailure, outOfTime } from '../nodes/failure.js';
import { createRedactor } from '../nodes/redact.js';
import { excerptOf, EXCERPT_LENGTH, oneLine } from '../nodes/text.js';
import type { Mail, MailPort, MailSettings } from './port.js';

const MOST_RECIPIENTS = 50;
const CONNECT_TIMEOUT_MS = 15_000;

function messageIdOf(idempotencyKey: string, from: string): string {
  const domain = /@([A-Za-z0-9.-]+)/.exec(from)?.[1] ?? 'keelson.invalid';
  return `<${createHash('sha256').update(idempotencyKey).digest('hex').slice(0, 40)}@${domain}>`;
}

interface SmtpError {
  readonly code?: string;
  readonly responseCode?: number;
  readonly response?: string;
}

function asFailure(error: SmtpError, signal: AbortSignal, clean: (text: string) => string): NodeFailure {
  if (signal.aborted) return outOfTime('The mail server');
  const { code = 'failed', responseCode } = error;
  if (code === 'EENVELOPE' && responseCode === undefined)
    return invalid(Fault.configInvalid, 'to: the step names no valid e-mail address.');
  const said = excerptOf(clean(error.response ?? code), EXCERPT_LENGTH);
  const permanent = responseCode !== undefined && responseCode >= 500;
  return permanent
    ? invalid(Fault.mailRejected, `The mail server refused the message: ${said}`)
    : new NodeFailure(Fault.mailFailed, `The mail could not be sent: ${said}`, { retryable: true });
}

function checkRecipients(to: string): void {
  if (/[\r\n]/.test(to))
    throw invalid(Fault.configInvalid, 'to: holds a line break; write addresses separated by commas.');
  if (to.split(',').length > MOST_RECIPIENTS)
    throw invalid(Fault.configInvalid, `to: names more than ${MOST_RECIPIENTS} addresses; split the message.`);
}

/** The operator's own mail server, reached anew for each message. */
export function createMailPort(settings: MailSettings): MailPort {
  const { host, port, secure = false, user, password = '', from } = settings;
  const transport = createTransport({
    host,
    port,
    secure,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
    ...(user === undefined || user === '' ? {} : { auth: { user, pass: password } }),
  });
  const { redactText } = createRedactor([['SMTP_PASSWORD', password]]);
  const send = async ({ to, subject, text, idempotencyKey, signal }: Mail): Promise<{ readonly messageId: string }> => {
    checkRecipients(to);
    const messageId = messageIdOf(idempotencyKey, from);
    const mail = { from, to, subject: oneLine(subject), text, messageId, signal };
    try {
      await transport.sendMail(mail);
      return { messageId };
    } catch (error) {
      throw asFailure(error as SmtpError, signal, redactText); // -- nodemailer rejects with errors of this form
    }
  };
  return { send };
}
