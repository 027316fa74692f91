import { createHash } from 'node:crypto';
import { createTransport } from 'nodemailer';
import { Fault, invalid, NodeFailure, outOfTime } from '../nodes/failure.js';
import { createRedactor } from '../nodes/redact.js';
import { excerptOf, EXCERPT_LENGTH, oneLine } from '../nodes/text.js';
import type { MailPort, MailSettings } from './port.js';

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

/** How far a message came: once its content is sent a server may have taken it without our hearing of it. */
interface Progress {
  isSending: boolean;
}

interface Sending {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  readonly clean: (text: string) => string;
}

function asFailure(error: SmtpError, { signal, progress, clean }: Sending): NodeFailure {
  const { code = 'failed', responseCode } = error;
  const isUnknown = progress.isSending && responseCode === undefined;
  if (signal.aborted) return outOfTime('The mail server', { isUnknown });
  if (code === 'EENVELOPE' && responseCode === undefined)
    return invalid(Fault.configInvalid, 'to: the step names no valid e-mail address.');
  const said = excerptOf(clean(error.response ?? code), EXCERPT_LENGTH);
  const permanent = responseCode !== undefined && responseCode >= 500;
  return permanent
    ? invalid(Fault.mailRejected, `The mail server refused the message: ${said}`)
    : new NodeFailure(Fault.mailFailed, `The mail could not be sent: ${said}`, { retryable: true, isUnknown });
}

type ProtocolLog = Readonly<
  Record<'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal', (entry: unknown, line?: unknown) => void>
>;

/** The server's "354" invites the message's content; the protocol's own record is the only place that shows it. */
const noting = (progress: Progress): ProtocolLog => {
  const note = (entry: unknown, line: unknown): void => {
    const isReply = typeof entry === 'object' && entry !== null && 'tnx' in entry && entry.tnx === 'server';
    if (isReply && typeof line === 'string' && /^354/m.test(line)) progress.isSending = true;
  };
  const ignore = (): void => undefined;
  return { trace: note, debug: note, info: note, warn: ignore, error: ignore, fatal: ignore };
};

function checkRecipients(to: string): void {
  if (/[\r\n]/.test(to))
    throw invalid(Fault.configInvalid, 'to: holds a line break; write addresses separated by commas.');
  if (to.split(',').length > MOST_RECIPIENTS)
    throw invalid(Fault.configInvalid, `to: names more than ${MOST_RECIPIENTS} addresses; split the message.`);
}

/** The operator's own mail server, reached anew for each message. */
export function createMailPort(settings: MailSettings): MailPort {
  const { host, port, secure = false, user, password = '', from } = settings;
  const options = {
    host,
    port,
    secure,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
    transactionLog: true,
    ...(user === undefined || user === '' ? {} : { auth: { user, pass: password } }),
  };
  const clean = createRedactor([['SMTP_PASSWORD', password]]).redactText;
  return {
    send: async ({ to, subject, text, html, idempotencyKey, signal }) => {
      checkRecipients(to);
      const messageId = messageIdOf(idempotencyKey, from);
      const progress: Progress = { isSending: false };
      const transport = createTransport({ ...options, logger: noting(progress) });
      const content = { ...(text === undefined ? {} : { text }), ...(html === undefined ? {} : { html }) };
      try {
        await transport.sendMail({ from, to, subject: oneLine(subject), ...content, messageId, signal });
        return { messageId };
      } catch (error) {
        // -- reason: nodemailer rejects with errors of this form
        throw asFailure(error as SmtpError, { signal, progress, clean });
      }
    },
  };
}
