import type { Readable } from 'node:stream';

/** Reads at most `limitBytes`; the connection of a longer body is dropped rather than drained. */
export async function readText(
  body: Readable,
  limitBytes: number,
): Promise<{ readonly text: string; readonly truncated: boolean }> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > limitBytes) break;
  }
  const bytes = Buffer.concat(chunks);
  return { text: new TextDecoder().decode(bytes.subarray(0, limitBytes)), truncated: length > limitBytes };
}
