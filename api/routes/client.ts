import type { IncomingHttpHeaders } from 'node:http';
import type { Location } from '../location.js';
import type { Client } from '../services/sessions.js';

/** Where a request comes from, for sessions and the audit log. */
export const clientOf = (request: {
  readonly ip: string;
  readonly requestId: string;
  readonly headers: IncomingHttpHeaders;
  readonly location: Location | null;
}): Client => ({
  ip: request.ip,
  location: request.location,
  requestId: request.requestId,
  userAgent: request.headers['user-agent'] ?? null,
});
