import { createHash } from 'node:crypto';
import { createTransport } from 'nodemailer';

const CONNECT_TIMEOUT_MS = 15_000;

export interface SmtpOptions {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte; otherwise STARTTLS when the server offers it. */
  readonly secure?: boolean | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** The sender, such as `Keelson <keelson@example.com>`. */
  readonly from: string;
}

export interface SmtpMail {
  /** One address or several, separated by commas; without a line break. */
  readonly to: string;
  readonly subject: string;
  readonly text?: string | undefined;
  readonly html?: string | undefined;
  /** The Message-ID is derived from it, so mail systems can recognise a repeated send. */
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
}

/** A message that did not go out, as far as is known. */
export class SmtpError extends Error {
  /** What failed, such as `EENVELOPE` or `ECONNECTION`. */
  readonly code: string;
  /** The server's status, where it answered. */
  readonly responseCode: number | undefined;
  readonly response: string | undefined;
  /** The content was on its way and no answer came: the server may have taken it. */
  readonly isUnknown: boolean;
  constructor(cause: TransportError, isSending: boolean) {
    super(`The mail server did not take the message: ${cause.code ?? 'failed'}`, { cause });
    this.name = 'SmtpError';
    this.code = cause.code ?? 'failed';
    this.responseCode = cause.responseCode;
    this.response = cause.response;
    this.isUnknown = isSending && cause.responseCode === undefined;
  }
}

export interface Smtp {
  /** Throws `SmtpError`. */
  readonly send: (mail: SmtpMail) => Promise<{ readonly messageId: string }>;
  /** Connects, greets and signs in, and sends nothing; throws when the server does not let us. */
  readonly verify: () => Promise<void>;
}

/** The operator's own mail server, reached anew for each message. */
export function createSmtp({ host, port, secure = false, user, password = '', from }: SmtpOptions): Smtp {
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
  return {
    send: async ({ to, subject, text, html, idempotencyKey, signal }) => {
      const messageId = messageIdOf(idempotencyKey, from);
      const progress: Progress = { isSending: false };
      const transport = createTransport({ ...options, logger: noting(progress) });
      const content = { ...(text === undefined ? {} : { text }), ...(html === undefined ? {} : { html }) };
      try {
        await transport.sendMail({ from, to, subject: oneLine(subject), ...content, messageId, signal });
        return { messageId };
      } catch (error) {
        // -- reason: nodemailer rejects with errors of this form
        throw new SmtpError(error as TransportError, progress.isSending);
      }
    },
    verify: async () => {
      const impatient = { greetingTimeout: CONNECT_TIMEOUT_MS, socketTimeout: CONNECT_TIMEOUT_MS };
      await createTransport({ ...options, ...impatient }).verify();
    },
  };
}

interface TransportError {
  readonly code?: string;
  readonly responseCode?: number;
  readonly response?: string;
}

function messageIdOf(idempotencyKey: string, from: string): string {
  const domain = /@([A-Za-z0-9.-]+)/.exec(from)?.[1] ?? 'keelson.invalid';
  return `<${createHash('sha256').update(idempotencyKey).digest('hex').slice(0, 40)}@${domain}>`;
}

/** A subject is one header: a line break in it would begin another. */
const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

/** How far a message came: once its content is sent a server may have taken it without our hearing of it. */
interface Progress {
  isSending: boolean;
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
