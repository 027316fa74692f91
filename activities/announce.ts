import type { MailPort } from './mail/port.js';
import type { NodeLog } from './nodes/context.js';
import type { ApprovalNotice } from './records.js';

export interface AnnounceDeps {
  readonly mail: MailPort | null;
  readonly log: NodeLog & { readonly warn: (fields: object, message: string) => void };
}

/**
 * Tells whoever should decide: by mail when the assignee is an address and a mail server is configured, always in the
 * log. A mail that cannot be sent never holds the run: the request stands in the list of pending approvals.
 */
export function createAnnounce({ mail, log }: AnnounceDeps): (notice: ApprovalNotice) => Promise<void> {
  return async ({ id, runId, prompt, assignee }) => {
    log.info({ runId, approvalId: id }, 'a run waits for a decision');
    if (mail === null || assignee === null || !assignee.includes('@')) return;
    try {
      await mail.send({
        to: assignee,
        subject: `Decision needed: ${prompt.slice(0, 120)}`,
        text: `${prompt}\n\nApproval ${id} of run ${runId} is waiting for you.`,
        idempotencyKey: id,
        signal: AbortSignal.timeout(10_000),
      });
    } catch (error) {
      log.warn({ runId, approvalId: id, reason: String(error) }, 'the approval mail was not sent');
    }
  };
}
