import { readCron } from './cron.js';
import { canonicalZone } from './zones.js';

/** Whether a cron expression and an IANA zone make a time that comes. */
export function cronProblem(
  cron: string,
  timezone: string,
): { readonly key: 'cron' | 'timezone'; readonly message: string } | null {
  if (canonicalZone(timezone) === null) {
    const message = `"${timezone}" is no time zone; use an IANA name such as Europe/Berlin.`;
    return { key: 'timezone', message };
  }
  const read = readCron(cron);
  return 'problem' in read ? { key: 'cron', message: read.problem } : null;
}
