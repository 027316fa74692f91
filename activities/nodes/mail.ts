import type { ActivityKind } from '../../workflows/contract/activities.js';
import type { Json } from '../../workflows/definition/values.js';
import type { Mail } from '../mail/port.js';
import type { NodeContext, NodeDeps } from './context.js';
import type { PlannedEffect } from './effect.js';
import { Fault, invalid } from './failure.js';
import type { UnknownPolicy } from './ledger.js';

export type MailText = Pick<Mail, 'to' | 'subject' | 'text' | 'html'>;

/** Sends one mail; receipt: `{message_id}`. */
export function plannedMail(
  { signal, isStubbed }: NodeContext<ActivityKind>,
  { mail: port }: Pick<NodeDeps, 'mail'>,
  { mail, onUnknown }: { readonly mail: MailText; readonly onUnknown: UnknownPolicy },
): PlannedEffect {
  if (port === null && !isStubbed)
    throw invalid(Fault.mailNotConfigured, 'No mail server is configured; ask the operator to set the SMTP settings.');
  return {
    kind: 'email',
    what: `A mail to ${mail.to}`,
    request: { ...mail },
    onUnknown,
    act: async (idempotencyKey): Promise<Json> => {
      const sent = await port?.send({ ...mail, idempotencyKey, signal });
      return { message_id: sent?.messageId ?? null };
    },
  };
}
