import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { isLoopback } from '../address.js';
import { notFound } from '../http/errors.js';
import { escapeHtml, htmlHeaders, htmlPage, htmlType, linkedHtml } from '../http/html.js';
import { Reply, route, type Route } from '../http/route.js';
import { Time } from '../http/schemas.js';
import type { DevOutbox } from '../services/mail.js';

const Mail = z.object({
  id: z.string(),
  to: z.string(),
  subject: z.string(),
  text: z.string().nullable(),
  html: z.string().nullable(),
  created_at: Time,
});
type Shown = Awaited<ReturnType<DevOutbox['list']>>[number];

const query = z.object({
  to: z.string().max(320).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

interface Asking {
  readonly ip: string;
  readonly headers: IncomingHttpHeaders;
}

const localHost = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;
const forwarding = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'];

/**
 * The mails hold links that sign people in, so only a caller on this very machine sees them: neither one behind a proxy on
 * it, nor a page of another site or under another name in a browser on it. To everybody else there is nothing here.
 */
function requireDeveloper({ ip, headers }: Asking): void {
  const { host = '', origin } = headers;
  const isForwarded = forwarding.some((name) => headers[name] !== undefined);
  const isForeign = origin !== undefined && !(URL.canParse(origin) && localHost.test(new URL(origin).host));
  if (!isLoopback(ip) || !localHost.test(host) || isForwarded || isForeign) throw notFound('page', 'outbox');
}

const articleOf = ({ to_address: to, subject, text, html, created_at: at }: Shown): string => `<article>
<h2>${escapeHtml(subject)}</h2>
<dl><dt>To</dt> <dd>${escapeHtml(to)}</dd> · <dt>at</dt> <dd>${at.toISOString()}</dd></dl>
<pre>${linkedHtml(text ?? html ?? '')}</pre>
</article>`;

/** Mounted only where no mail server is configured. */
export const devOutboxRoutes: readonly Route[] = [
  route({
    id: 'devOutbox.page',
    method: 'GET',
    path: '/dev/outbox',
    summary: 'Mails that were not sent because no mail server is configured, newest first; from this machine only',
    tag: 'development',
    auth: 'none',
    rate: 'public',
    query,
    produces: htmlType,
    reply: z.string(),
    errors: { 404: 'the caller is not on this machine' },
    handle: async (request, { devOutbox }) => {
      requireDeveloper(request);
      const mails = await devOutbox.list(request.query);
      const body = mails.length === 0 ? '<p>No mail yet.</p>' : mails.map(articleOf).join('\n');
      return new Reply(htmlPage('Outbox', body), { headers: htmlHeaders });
    },
  }),
  route({
    id: 'devOutbox.list',
    method: 'GET',
    path: '/dev/outbox.json',
    summary: 'The same as JSON',
    tag: 'development',
    auth: 'none',
    rate: 'public',
    query,
    reply: z.object({ items: z.array(Mail) }),
    errors: { 404: 'the caller is not on this machine' },
    handle: async (request, { devOutbox }) => {
      requireDeveloper(request);
      const items = (await devOutbox.list(request.query)).map(({ to_address: to, ...mail }) => ({ ...mail, to }));
      return new Reply({ items }, { headers: { 'cache-control': 'no-store' } });
    },
  }),
];
