import { EgressError, type EgressClient, type OutgoingReply } from '../../db/egress-client.js';
import type { EgressLimits } from '../../db/egress.js';
import { signatureHeaders } from '../../db/webhook-signature.js';
import type { AttemptResult } from '../../db/webhook-attempts.js';
import { createRedactor } from '../nodes/redact.js';
import { wellFormed } from '../nodes/text.js';

export interface Posted {
  readonly workspaceId: string;
  readonly url: string;
  /** The owner's own. */
  readonly headers: Readonly<Record<string, string>>;
  readonly id: string;
  readonly body: string;
  readonly secrets: readonly string[];
  readonly timeoutMs: number;
  /** Raised when this process stops: the attempt is then nobody's and comes again. */
  readonly stopping: AbortSignal;
}

/** Sends once and says what came of it; throws only when this process stops. */
export type Post = (posted: Posted) => Promise<Omit<AttemptResult, 'number'>>;

export interface PostDeps {
  readonly client: Pick<EgressClient, 'send'>;
  /** The lists of a workspace's organisation. */
  readonly limitsOf: (workspaceId: string) => Promise<EgressLimits>;
  readonly now?: () => number;
}

const RESPONSE_BYTES = 1_024;

export function createPost({ client, limitsOf, now = Date.now }: PostDeps): Post {
  return async (posted) => {
    const { workspaceId, url, body, timeoutMs, stopping, secrets } = posted;
    const limits = await limitsOf(workspaceId);
    const began = now();
    const { redactText } = createRedactor(secrets.map((secret): [string, string] => ['WEBHOOK_SECRET', secret]));
    const shown = (text: string): string => redactText(wellFormed(text).replaceAll('\u0000', '\uFFFD'));
    const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), stopping]);
    const headers = headersOf(posted, Math.floor(began / 1_000));
    try {
      const call = { method: 'POST', url, headers, body, signal, limits, replyLimitBytes: RESPONSE_BYTES } as const;
      const reply = await client.send(call);
      const response = shown(new TextDecoder().decode(reply.bytes));
      return { durationMs: now() - began, status: reply.status, error: problemOf(reply), response };
    } catch (error) {
      if (stopping.aborted || !(error instanceof EgressError)) throw error;
      return { durationMs: now() - began, status: null, error: shown(error.message), response: null };
    }
  };
}

/** Ours come last: nobody's own header stands in for a signature. */
const headersOf = ({ headers, id, body, secrets }: Posted, timestamp: number): Readonly<Record<string, string>> => ({
  ...headers,
  'content-type': 'application/json',
  'user-agent': 'Keelson-Webhooks/1',
  ...signatureHeaders({ id, timestamp, body, secrets }),
});

function problemOf({ status }: OutgoingReply): string | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400)
    return `The receiver answered ${status}, a redirect, which is not followed; set url to the final address.`;
  return `The receiver answered ${status}; only 2xx counts as received.`;
}
