/** A check of something the API needs; it throws when that does not answer. */
export type Probe = () => Promise<unknown>;

/** By name: `ok` or `unreachable`. */
export async function runProbes(
  probes: Readonly<Record<string, Probe>>,
  timeoutMs: number,
): Promise<Record<string, string>> {
  const results = Object.entries(probes).map(async ([name, probe]) => {
    const result = await inTime(probe, timeoutMs).then(
      () => 'ok',
      () => 'unreachable',
    );
    return [name, result] as const;
  });
  return Object.fromEntries(await Promise.all(results));
}

async function inTime(probe: Probe, timeoutMs: number): Promise<void> {
  const { promise, reject } = deferred();
  const timer = setTimeout(() => reject(new Error('no answer in time')), timeoutMs);
  try {
    await Promise.race([probe(), promise]);
  } finally {
    clearTimeout(timer);
  }
}

function deferred(): { readonly promise: Promise<never>; readonly reject: (error: Error) => void } {
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<never>((_, fail) => {
    reject = fail;
  });
  return { promise, reject };
}
