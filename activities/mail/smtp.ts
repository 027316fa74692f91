import { createSmtp, type SmtpError } from '../../db/smtp.js';
import { Fault, invalid, NodeFailure, outOfTime } from '../nodes/failure.js';
import { createRedactor } from '../nodes/redact.js';
import { excerptOf, EXCERPT_LENGTH } from '../nodes/text.js';
import type { MailPort, MailSettings } from './port.js';
import { checkRecipients } from './recipients.js';

interface Sending {
  readonly signal: AbortSignal;
  readonly clean: (text: string) => string;
}

function asFailure({ code, responseCode, response, isUnknown }: SmtpError, { signal, clean }: Sending): NodeFailure {
  if (signal.aborted) return outOfTime('The mail server', { isUnknown });
  if (code === 'EENVELOPE' && responseCode === undefined)
    return invalid(Fault.configInvalid, 'to: the step names no valid e-mail address.');
  const said = excerptOf(clean(response ?? code), EXCERPT_LENGTH);
  const permanent = responseCode !== undefined && responseCode >= 500;
  return permanent
    ? invalid(Fault.mailRejected, `The mail server refused the message: ${said}`)
    : new NodeFailure(Fault.mailFailed, `The mail could not be sent: ${said}`, { retryable: true, isUnknown });
}

/** The operator's own mail server. */
export function createMailPort(settings: MailSettings): MailPort {
  const smtp = createSmtp(settings);
  const clean = createRedactor([['SMTP_PASSWORD', settings.password ?? '']]).redactText;
  return {
    send: async (mail) => {
      checkRecipients(mail.to);
      try {
        return await smtp.send(mail);
      } catch (error) {
        // -- reason: all that it throws
        throw asFailure(error as SmtpError, { signal: mail.signal, clean });
      }
    },
  };
}
