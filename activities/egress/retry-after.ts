const LONGEST_MS = 3_600_000;

/** The pause a peer asked for by `Retry-After`, seconds or an HTTP date, at most one hour; undefined without one. */
export function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '') return undefined;
  const text = header.trim();
  const pause = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isNaN(pause) ? undefined : Math.round(Math.min(Math.max(pause, 0), LONGEST_MS));
}
