import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** The lines of the head but the first. */
  readonly head: readonly string[];
  readonly body: string;
  readonly text: string;
}

/** Bytes as they are, for what no client library would send; answers what came until the server closed. */
export const sendRaw = (port: number, bytes: string | Buffer): Promise<RawAnswer> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    collect(socket).then(resolve, reject);
  });

/** What comes over a socket until its other end closes. */
export const collect = (socket: Socket): Promise<RawAnswer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', (error) => (chunks.length === 0 ? reject(error) : resolve(parsed(chunks))));
    socket.on('close', () => resolve(parsed(chunks)));
  });

function parsed(chunks: readonly Buffer[]): RawAnswer {
  const text = Buffer.concat(chunks).toString('latin1');
  const [head = '', ...body] = text.split('\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  return { status: Number(first.split(' ')[1] ?? 0), head: lines, body: body.join('\r\n\r\n'), text };
}
