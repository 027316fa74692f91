import type { IncomingHttpHeaders } from 'node:http';
import type { Location } from '../db/tables.js';

export type { Location };

/** What proxies that know places call them: Cloudflare's visitor location headers and CloudFront's. */
const names: Readonly<Record<keyof Location, readonly string[]>> = {
  city: ['cf-ipcity', 'cloudfront-viewer-city'],
  region: ['cf-region', 'cloudfront-viewer-country-region-name'],
  country: ['cf-ipcountry', 'cloudfront-viewer-country'],
};

/** Cloudflare's words for an address of no place. */
const nowhere = new Set(['', 'XX', 'T1']);

/** Node reads headers as latin1; these come as UTF-8. */
const textOf = (value: string | string[] | undefined): string =>
  Buffer.from([value].flat()[0] ?? '', 'latin1')
    .toString('utf8')
    .trim()
    .slice(0, 100);

/** Where the caller is, as the trusted proxy in front says; null when it says nothing. */
export function locationOf(headers: IncomingHttpHeaders): Location | null {
  const place = (part: keyof Location): string | null =>
    names[part].map((name) => textOf(headers[name])).find((text) => !nowhere.has(text)) ?? null;
  const location = { city: place('city'), region: place('region'), country: place('country') };
  return Object.values(location).some((part) => part !== null) ? location : null;
}
