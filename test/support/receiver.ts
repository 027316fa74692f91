import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedHook {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** `status` 0: takes the request and never answers. */
export interface ReceiverAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Receiver {
  readonly url: string;
  /** `host:port`, as KEELSON_EGRESS_ALLOW takes it. */
  readonly address: string;
  readonly at: (path: string) => readonly ReceivedHook[];
  /** What each request to the path gets, by its number from 0; 200 without it. */
  readonly answer: (path: string, answer: (index: number) => ReceiverAnswer) => void;
  readonly close: () => Promise<void>;
}

/** A receiver of webhooks with a path for each test. */
export async function startReceiver(): Promise<Receiver> {
  const received: ReceivedHook[] = [];
  const answers = new Map<string, (index: number) => ReceiverAnswer>();
  const at = (path: string): readonly ReceivedHook[] => received.filter((hook) => hook.path === path);
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = request.url ?? '';
      received.push({ path, headers: plain(request.headers), body: Buffer.concat(chunks).toString() });
      const given = answers.get(path)?.(at(path).length - 1) ?? { status: 200 };
      if (given.status !== 0) response.writeHead(given.status, given.headers).end(given.body ?? 'ok');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // -- reason: a server on a port has an AddressInfo
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    address: `127.0.0.1:${port}`,
    at,
    answer: (path, answer) => void answers.set(path, answer),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const plain = (headers: IncomingHttpHeaders): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
