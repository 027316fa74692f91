import { z } from 'zod';
import type { LockRule } from '../db/login-guards.js';
import { readSettings, sharedVariables, type Settings } from '../db/settings.js';
import { flag, hint, list, readVariables, wholeNumber, type Environment } from '../db/variables.js';
import type { RateLimits } from './http/config.js';
import type { ServiceAccountTrust } from './services/service-account-proof.js';
import { signupModes, type SignupMode } from './services/signup-policy.js';

/** What the API reads besides the shared variables. */
export const apiVariables = {
  PORT: wholeNumber(0, 65_535).default(4000),
  HOST: z.string().default('0.0.0.0'),
  ADMIN_TOKEN: z.string().min(16, hint('at least 16 characters; `openssl rand -hex 32` makes one')).optional(),
  METRICS_TOKEN: z.string().min(16, hint('at least 16 characters; `openssl rand -hex 32` makes one')).optional(),
  KEELSON_PUBLIC_URL: z
    .string()
    .refine(isPublicUrl, hint('the http or https address callers use, such as https://keelson.example.com'))
    .optional(),
  CORS_ORIGINS: list(isOrigin, 'a comma list of origins such as https://app.example.com, or *'),
  TRUST_PROXY: flag(),
  KEELSON_SIGNUP: z.enum(signupModes, hint('one of open, invite_only, approval, closed')).default('closed'),
  KEELSON_SERVICE_ACCOUNT_KEY: z
    .string()
    .min(32, hint('at least 32 characters; `openssl rand -hex 32` makes one'))
    .optional(),
  KEELSON_SERVICE_ACCOUNT_DEV: flag(),
  KEELSON_ADMIN_EMAIL: z.email(hint('an e-mail address such as admin@example.com')).optional(),
  KEELSON_ADMIN_PASSWORD: z.string().min(8, hint('at least 8 characters')).optional(),
  KEELSON_RATE_LIMIT_AUTH: wholeNumber(1, 1_000_000_000).optional(),
  KEELSON_RATE_LIMIT_PUBLIC: wholeNumber(1, 1_000_000_000).optional(),
  KEELSON_RATE_LIMIT_API: wholeNumber(1, 1_000_000_000).optional(),
  KEELSON_RATE_LIMIT_KEY: wholeNumber(1, 1_000_000_000).optional(),
  KEELSON_STREAMS_PER_CALLER: wholeNumber(1, 100_000).default(1_000),
  KEELSON_LOCKOUT_FAILURES: wholeNumber(1, 1_000).default(5),
  KEELSON_LOCKOUT_WINDOW_MINUTES: wholeNumber(1, 10_080).default(15),
  KEELSON_LOCKOUT_MINUTES: wholeNumber(1, 10_080).default(60),
};

/** Every variable the API process reads. */
export const apiEnvironment = { ...sharedVariables, ...apiVariables };

export interface ApiConfig extends Settings {
  /** 0: any free one. */
  readonly port: number;
  readonly host: string;
  /** The platform administrator's bearer token; absent: those routes answer 401 to everyone. */
  readonly adminToken: string | undefined;
  /** What opens `/metrics`. */
  readonly metricsToken?: string | undefined;
  /** Where callers reach the API; https makes cookies Secure. */
  readonly publicUrl?: string;
  readonly corsOrigins: readonly string[];
  /** Believe X-Forwarded-* of the proxy in front. */
  readonly trustProxy: boolean;
  readonly signup: SignupMode;
  /** Who may be issued service accounts' tokens without being signed in. */
  readonly serviceAccounts: ServiceAccountTrust;
  /** The first administrator, made at start when no user has this e-mail. */
  readonly adminEmail: string | undefined;
  readonly adminPassword: string | undefined;
  /** Requests a minute for each class of routes; the kit's own where absent. */
  readonly rateLimits: Partial<RateLimits>;
  /** Streams and sockets one caller may have open at one process. */
  readonly streamsPerCaller: number;
  /** When failed sign-ins lock an address. */
  readonly lock: LockRule;
}

export function readApiConfig(env: Environment): ApiConfig {
  const given = readVariables(apiVariables, env);
  return {
    ...readSettings(env),
    port: given.PORT,
    host: given.HOST,
    adminToken: given.ADMIN_TOKEN,
    metricsToken: given.METRICS_TOKEN,
    corsOrigins: given.CORS_ORIGINS,
    trustProxy: given.TRUST_PROXY ?? false,
    ...(given.KEELSON_PUBLIC_URL === undefined ? {} : { publicUrl: given.KEELSON_PUBLIC_URL.replace(/\/+$/, '') }),
    signup: given.KEELSON_SIGNUP,
    serviceAccounts: {
      key: given.KEELSON_SERVICE_ACCOUNT_KEY,
      // whatever the variable says: in production nobody gets a token by asking
      allowsDevelopment: given.KEELSON_SERVICE_ACCOUNT_DEV === true && env['NODE_ENV'] !== 'production',
    },
    adminEmail: given.KEELSON_ADMIN_EMAIL,
    adminPassword: given.KEELSON_ADMIN_PASSWORD,
    rateLimits: {
      ...(given.KEELSON_RATE_LIMIT_AUTH === undefined ? {} : { auth: given.KEELSON_RATE_LIMIT_AUTH }),
      ...(given.KEELSON_RATE_LIMIT_PUBLIC === undefined ? {} : { public: given.KEELSON_RATE_LIMIT_PUBLIC }),
      ...(given.KEELSON_RATE_LIMIT_API === undefined ? {} : { api: given.KEELSON_RATE_LIMIT_API }),
      ...(given.KEELSON_RATE_LIMIT_KEY === undefined ? {} : { key: given.KEELSON_RATE_LIMIT_KEY }),
    },
    streamsPerCaller: given.KEELSON_STREAMS_PER_CALLER,
    lock: {
      failures: given.KEELSON_LOCKOUT_FAILURES,
      windowMinutes: given.KEELSON_LOCKOUT_WINDOW_MINUTES,
      lockMinutes: given.KEELSON_LOCKOUT_MINUTES,
    },
  };
}

function isPublicUrl(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text);
}

function isOrigin(text: string): boolean {
  return text === '*' || (URL.canParse(text) && new URL(text).origin === text);
}
