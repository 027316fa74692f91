import { createEgressClient, EgressError, type EgressSettings } from '../../db/egress-client.js';
import type { EgressLimits } from '../../db/egress.js';
import { Fault, invalid, NodeFailure, outOfTime } from '../nodes/failure.js';

export type { EgressSettings } from '../../db/egress-client.js';

export interface EgressRequest {
  /** Whose run it is for: its organisation's lists count. */
  readonly workspaceId: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
  /** The reply's body is cut after so many bytes. */
  readonly replyLimitBytes: number;
  /** On a connection of its own: a kept one may break just as it is used, and then nobody knows what arrived. */
  readonly isFresh?: boolean;
}

export interface EgressReply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly truncated: boolean;
}

/** The one client as nodes use it. Throws `NodeFailure`. */
export interface Egress {
  readonly send: (request: EgressRequest) => Promise<EgressReply>;
  readonly close: () => Promise<void>;
}

export interface NodeEgressSettings extends EgressSettings {
  /** The lists of a workspace's organisation; without it nobody has any. */
  readonly limitsOf?: (workspaceId: string) => Promise<EgressLimits>;
}

export function createEgress({ limitsOf, ...settings }: NodeEgressSettings): Egress {
  const client = createEgressClient(settings);
  return {
    send: async ({ workspaceId, ...request }) => {
      const limits = await limitsOf?.(workspaceId);
      const reply = await client.send({ ...request, limits }).catch((error: unknown) => {
        throw asFailure(error);
      });
      const headers = Object.fromEntries(Object.entries(reply.headers).map(([name, list]) => [name, list.join(', ')]));
      const text = new TextDecoder().decode(reply.bytes);
      return { status: reply.status, headers, text, truncated: reply.truncated };
    },
    close: client.close,
  };
}

function asFailure(error: unknown): unknown {
  if (!(error instanceof EgressError)) return error;
  const { fault, host, isUnknown, message, cause } = error;
  if (fault === 'refused') return invalid(Fault.addressRefused, message);
  if (fault === 'invalid') return invalid(Fault.configInvalid, message, cause);
  if (fault === 'timeout') return outOfTime(host, { cause, isUnknown });
  return new NodeFailure(Fault.network, message, { retryable: true, cause, isUnknown });
}
