import { pino, type DestinationStream, type Logger } from 'pino';

export type { Logger } from 'pino';

const SECRET_FIELDS = [
  'authorization',
  'cookie',
  'set-cookie',
  'password',
  'token',
  'access_token',
  'refresh_token',
  'secret',
  'api_key',
  'apiKey',
  'x-api-key',
];
const DEPTHS = ['', '*.', '*.*.', '*.*.*.'];

export interface LogOptions {
  readonly level: string;
  /** Which process writes: `api`, `worker`, `local`. */
  readonly name: string;
  /** Standard output when left out. */
  readonly destination?: DestinationStream;
}

/** A log file only its owner can read; every line is on disk when the call returns. */
export const logFile = (dest: string): DestinationStream => pino.destination({ dest, mode: 0o600, sync: true });

/** JSON lines; a field with a secret's name is blanked down to four levels. */
export function createLogger({ level, name, destination }: LogOptions): Logger {
  const options = {
    level,
    name,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: SECRET_FIELDS.flatMap(pathsOf), censor: '[redacted]' },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

function pathsOf(field: string): string[] {
  if (/^\w+$/.test(field)) return DEPTHS.map((depth) => `${depth}${field}`);
  return DEPTHS.map((depth) => `${depth.replace(/\.$/, '')}["${field}"]`);
}
