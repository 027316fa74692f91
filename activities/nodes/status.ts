import type { EgressReply } from '../egress/egress.js';
import { retryAfterMs } from '../egress/retry-after.js';
import { Fault, invalid, NodeFailure } from './failure.js';
import { excerptOf, EXCERPT_LENGTH } from './text.js';

export const isWorthRepeating = (status: number): boolean => [408, 425, 429].includes(status) || status >= 500;

/** A gateway that lost its own peer cannot say whether the request was carried out. */
const leavesUnknown = (status: number): boolean => status === 502 || status === 504;

/** What a reply means that was not hoped for. */
export function statusFailure(
  { field, redactText }: { readonly field: string; readonly redactText: (text: string) => string },
  { status, headers, text }: EgressReply,
): NodeFailure {
  if (status >= 300 && status < 400)
    return invalid(
      Fault.httpStatus,
      `The receiver answered ${status}, a redirect, which is not followed; set ${field} to the final address.`,
    );
  const excerpt = excerptOf(redactText(text), EXCERPT_LENGTH);
  return new NodeFailure(Fault.httpStatus, `The receiver answered ${status}${excerpt === '' ? '.' : `: ${excerpt}`}`, {
    retryable: isWorthRepeating(status),
    retryAfterMs: isWorthRepeating(status) ? retryAfterMs(headers['retry-after']) : undefined,
    isUnknown: leavesUnknown(status),
  });
}
