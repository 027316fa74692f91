import type { RunRef } from '../workflows/contract/run.js';
import type { MailPort } from './mail/port.js';
import type { NodeLog } from './nodes/context.js';

export interface AnnounceDeps {
  readonly mail: MailPort | null;
  readonly log: NodeLog & { readonly warn: (fields: object, message: string) => void };
}

/** A wait that somebody is to be told of. */
export interface WaitNotice {
  /** The same notice has the same id, however often it is given. */
  readonly id: string;
  readonly run: RunRef;
  readonly token: string;
  readonly prompt: string;
  /** Ids, roles and addresses; those that are addresses get a mail. */
  readonly people: readonly string[];
  readonly occasion: 'opened' | 'reminded' | 'escalated';
}

const subjects = {
  opened: 'Decision needed',
  reminded: 'Decision still needed',
  escalated: 'Decision needed from you now',
} as const;

const MAIL_TIMEOUT_MS = 10_000;

/**
 * Tells whoever should decide: by mail where a mail server is configured, always in the log. A mail that cannot be sent
 * never holds the run: the request stands in the list of pending approvals.
 */
export function createAnnounce(deps: AnnounceDeps): (notice: WaitNotice) => Promise<void> {
  return async (notice) => {
    const { run, token, people, occasion } = notice;
    deps.log.info({ runId: run.runId, approvalId: token, occasion }, 'a run waits for a decision');
    const names = people.flatMap((name) => name.split(',')).map((name) => name.trim());
    const addresses = [...new Set(names.filter((name) => name.includes('@')))];
    await Promise.all(addresses.map((to) => sendNotice(deps, notice, to)));
  };
}

async function sendNotice({ mail, log }: AnnounceDeps, notice: WaitNotice, to: string): Promise<void> {
  if (mail === null) return;
  const { id, run, token, prompt, occasion } = notice;
  try {
    await mail.send({
      to,
      subject: `${subjects[occasion]}: ${prompt.slice(0, 120)}`,
      text: `${prompt}\n\nApproval ${token} of run ${run.runId} is waiting for you.`,
      idempotencyKey: `${id}/${to}`,
      signal: AbortSignal.timeout(MAIL_TIMEOUT_MS),
    });
  } catch (error) {
    log.warn({ runId: run.runId, approvalId: token, reason: String(error) }, 'the mail about a wait was not sent');
  }
}
