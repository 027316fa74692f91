import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { parseEgressAllow, type EgressRule } from './egress.js';
import { keySettings, keyVariables, type KeySettings } from './key-settings.js';
import { amount, flag, hint, readVariables, SettingsError, wholeNumber, type Environment } from './variables.js';

const temporalVariables = {
  TEMPORAL_ADDRESS: z
    .string()
    .regex(/^(\[[0-9a-f:]+\]|[^\s:/]+):\d{1,5}$/i, hint('host:port without a scheme, such as 127.0.0.1:7233'))
    .default('127.0.0.1:7233'),
  TEMPORAL_NAMESPACE: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,199}$/i, hint('a namespace name of letters, digits, dots and dashes'))
    .default('keelson'),
  TEMPORAL_API_KEY: z.string().optional(),
  TEMPORAL_TLS: flag(),
  TEMPORAL_TLS_CERT: z.string().optional(),
  TEMPORAL_TLS_KEY: z.string().optional(),
  TEMPORAL_TLS_CA: z.string().optional(),
  TEMPORAL_TLS_SERVER_NAME: z.string().optional(),
};

/** What a process of any kind needs to know: one zod field a variable, so that tests can hold files against the keys. */
export const sharedVariables = {
  DATABASE_URL: z
    .string(hint('a Postgres address such as postgres://user:password@host:5432/keelson'))
    .refine(isPostgresUrl, hint('a Postgres address such as postgres://user:password@host:5432/keelson')),
  ...temporalVariables,
  ...keyVariables,
  KEELSON_EGRESS_ALLOW: z.string().default('').transform(toEgressRules),
  KEELSON_LLM_BASE_URL: z
    .string()
    .refine(isHttpUrl, hint('an http or https address such as http://127.0.0.1:11434/v1'))
    .optional(),
  KEELSON_LLM_API_KEY: z.string().optional(),
  KEELSON_LLM_MODEL: z.string().optional(),
  KEELSON_LLM_PRICE_INPUT_PER_MTOK: amount().optional(),
  KEELSON_LLM_PRICE_OUTPUT_PER_MTOK: amount().optional(),
  SMTP_URL: z
    .string()
    .refine(
      (text) => /^smtps?:\/\//.test(text) && URL.canParse(text),
      hint('an address such as smtp://user:pw@host:587'),
    )
    .optional(),
  SMTP_HOST: z.string().optional(),
  SMTP_PORT: wholeNumber(1, 65_535).optional(),
  SMTP_USER: z.string().optional(),
  SMTP_PASSWORD: z.string().optional(),
  SMTP_SECURE: flag(),
  SMTP_FROM: z.string().default('Keelson <keelson@localhost>'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .string()
    .refine(isHttpUrl, hint("a collector's http or https address such as http://127.0.0.1:4318"))
    .optional(),
  OTEL_EXPORTER_OTLP_HEADERS: z.string().default('').transform(toHeaders),
  OTEL_SERVICE_NAME: z.string().min(1).max(200).optional(),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'], hint('one of trace, debug, info, warn, error, silent'))
    .default('info'),
};

type Shared = z.output<z.ZodObject<typeof sharedVariables>>;
type TemporalGiven = z.output<z.ZodObject<typeof temporalVariables>>;

export interface TemporalSettings {
  readonly address: string;
  readonly namespace: string;
  readonly apiKey?: string;
  readonly tls: boolean | TlsSettings;
}

export interface TlsSettings {
  readonly serverNameOverride?: string;
  readonly serverRootCACertificate?: Buffer;
  readonly clientCertPair?: { readonly crt: Buffer; readonly key: Buffer };
}

export interface LlmSettings {
  readonly baseUrl: string;
  readonly apiKey?: string;
  readonly model: string;
}

export interface SmtpSettings {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte; otherwise STARTTLS when the server offers it. */
  readonly secure: boolean;
  readonly user?: string;
  readonly password?: string;
  readonly from: string;
}

export interface TracingTarget {
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined: the process's own name. */
  readonly serviceName: string | undefined;
}

export interface Settings extends KeySettings {
  readonly databaseUrl: string;
  readonly temporal: TemporalSettings;
  /** What outgoing HTTP may reach besides public addresses. */
  readonly egressAllow: readonly EgressRule[];
  /** Absent: the scripted provider answers. */
  readonly llm: LlmSettings | undefined;
  /** US dollars for a million tokens; zero where none is given. */
  readonly llmPrices: { readonly inputPerMtok: number; readonly outputPerMtok: number };
  /** Absent: mail is not sent; it lands in the development outbox. */
  readonly smtp: SmtpSettings | undefined;
  /** Where traces go; undefined: nowhere. */
  readonly tracing: TracingTarget | undefined;
  readonly logLevel: Shared['LOG_LEVEL'];
}

export function readSettings(env: Environment): Settings {
  const given = readVariables(sharedVariables, env);
  return {
    databaseUrl: given.DATABASE_URL,
    temporal: temporalSettings(given),
    ...keySettings(given),
    egressAllow: given.KEELSON_EGRESS_ALLOW,
    llm: llmSettings(given),
    llmPrices: {
      inputPerMtok: given.KEELSON_LLM_PRICE_INPUT_PER_MTOK ?? 0,
      outputPerMtok: given.KEELSON_LLM_PRICE_OUTPUT_PER_MTOK ?? 0,
    },
    smtp: smtpSettings(given),
    tracing: tracingTarget(given),
    logLevel: given.LOG_LEVEL,
  };
}

/** The part that says where Temporal is, for who needs no more. */
export const readTemporalSettings = (env: Environment): TemporalSettings =>
  temporalSettings(readVariables(temporalVariables, env));

/** What `Connection.connect` and `NativeConnection.connect` both take. */
export interface TemporalConnectionOptions {
  readonly address: string;
  readonly tls: boolean | TlsSettings;
  readonly apiKey?: string;
}

export function temporalConnection({ address, tls, apiKey }: TemporalSettings): TemporalConnectionOptions {
  return { address, tls, ...(apiKey === undefined ? {} : { apiKey }) };
}

function temporalSettings(given: TemporalGiven): TemporalSettings {
  return {
    address: given.TEMPORAL_ADDRESS,
    namespace: given.TEMPORAL_NAMESPACE,
    tls: tlsSettings(given),
    ...(given.TEMPORAL_API_KEY === undefined ? {} : { apiKey: given.TEMPORAL_API_KEY }),
  };
}

/** An API key never travels in the clear, so it turns TLS on by itself. */
function tlsSettings(given: TemporalGiven): boolean | TlsSettings {
  const { TEMPORAL_TLS_CERT: cert, TEMPORAL_TLS_KEY: key, TEMPORAL_TLS_CA: ca } = given;
  const serverName = given.TEMPORAL_TLS_SERVER_NAME;
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? 'TEMPORAL_TLS_CERT' : 'TEMPORAL_TLS_KEY';
    throw new SettingsError(`${missing} is not set: a client certificate and its key are given together.`);
  }
  const details: TlsSettings = {
    ...(serverName === undefined ? {} : { serverNameOverride: serverName }),
    ...(ca === undefined ? {} : { serverRootCACertificate: readPem('TEMPORAL_TLS_CA', ca) }),
    ...(cert === undefined || key === undefined
      ? {}
      : { clientCertPair: { crt: readPem('TEMPORAL_TLS_CERT', cert), key: readPem('TEMPORAL_TLS_KEY', key) } }),
  };
  if (Object.keys(details).length > 0) return details;
  return given.TEMPORAL_TLS ?? given.TEMPORAL_API_KEY !== undefined;
}

function readPem(name: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch {
    throw new SettingsError(`${name} names a file that cannot be read: give the path of a PEM file, not "${file}".`);
  }
}

function llmSettings(given: Shared): LlmSettings | undefined {
  const { KEELSON_LLM_BASE_URL: baseUrl, KEELSON_LLM_API_KEY: apiKey, KEELSON_LLM_MODEL: model } = given;
  if (baseUrl === undefined && apiKey === undefined && model === undefined) return undefined;
  if (baseUrl === undefined) {
    throw new SettingsError('KEELSON_LLM_BASE_URL is not set: give the address of an OpenAI-compatible endpoint.');
  }
  if (model === undefined) {
    throw new SettingsError('KEELSON_LLM_MODEL is not set: name a model that KEELSON_LLM_BASE_URL serves.');
  }
  return { baseUrl, model, ...(apiKey === undefined ? {} : { apiKey }) };
}

function smtpSettings(given: Shared): SmtpSettings | undefined {
  if (given.SMTP_URL !== undefined) return smtpFromUrl(new URL(given.SMTP_URL), given.SMTP_FROM);
  if (given.SMTP_HOST === undefined) {
    if (given.SMTP_USER === undefined && given.SMTP_PORT === undefined) return undefined;
    throw new SettingsError('SMTP_HOST is not set: name the mail server, or give SMTP_URL instead of the parts.');
  }
  const secure = given.SMTP_SECURE ?? given.SMTP_PORT === 465;
  return {
    host: given.SMTP_HOST,
    port: given.SMTP_PORT ?? (secure ? 465 : 587),
    secure,
    from: given.SMTP_FROM,
    ...(given.SMTP_USER === undefined ? {} : { user: given.SMTP_USER }),
    ...(given.SMTP_PASSWORD === undefined ? {} : { password: given.SMTP_PASSWORD }),
  };
}

function smtpFromUrl(url: URL, from: string): SmtpSettings {
  const secure = url.protocol === 'smtps:';
  return {
    host: url.hostname,
    port: url.port === '' ? (secure ? 465 : 587) : Number(url.port),
    secure,
    from,
    ...(url.username === '' ? {} : { user: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
  };
}

function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//.test(text) && URL.canParse(text);
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text);
}

/** The parser's own sentence begins with the variable, as ours does. */
function toEgressRules(text: string, context: z.RefinementCtx): readonly EgressRule[] {
  try {
    return parseEgressAllow(text);
  } catch (error) {
    context.addIssue(error instanceof Error ? error.message.replace(/^\w+: /, '') : 'must be a list of hosts');
    return z.NEVER;
  }
}

function tracingTarget(given: Shared): TracingTarget | undefined {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers } = given;
  if (endpoint === undefined || endpoint === '') return undefined;
  return { endpoint: endpoint.replace(/\/+$/, ''), headers, serviceName: given.OTEL_SERVICE_NAME };
}

/** `name=value,name=value`, as every OpenTelemetry program reads them. */
function toHeaders(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(',').flatMap((pair): (readonly [string, string])[] => {
    const at = pair.indexOf('=');
    return at < 1 ? [] : [[pair.slice(0, at).trim(), decodeURIComponent(pair.slice(at + 1).trim())]];
  });
  return Object.fromEntries(pairs);
}
