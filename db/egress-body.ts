import type { Readable } from 'node:stream';

/** Reads at most `limitBytes`; the connection of a longer body is dropped rather than drained. */
export async function readBytes(
  body: Readable,
  limitBytes: number,
): Promise<{ readonly bytes: Buffer; readonly truncated: boolean }> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > limitBytes) break;
  }
  return { bytes: Buffer.concat(chunks).subarray(0, limitBytes), truncated: length > limitBytes };
}
