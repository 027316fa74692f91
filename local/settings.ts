import path from 'node:path';
import { z } from 'zod';
import { readApiConfig, type ApiConfig } from '../api/config.js';
import { readVariables, type Environment } from '../db/variables.js';
import { readWorkerConfig, type WorkerConfig } from '../workers/config.js';
import type { Secrets } from './secrets.js';

/** What only `npm start` reads. */
export const localVariables = {
  KEELSON_DATA_DIR: z.string().default('.keelson'),
  TEMPORAL_CLI_PATH: z.string().optional(),
};

export interface LocalSettings {
  readonly dataDir: string;
  /** The Postgres to use instead of our own. */
  readonly databaseUrl: string | undefined;
  /** The Temporal server to use instead of our own. */
  readonly temporalAddress: string | undefined;
  readonly adminEmail: string;
  /** It was given, so it is not the generated one. */
  readonly hasOwnPassword: boolean;
  readonly hasOwnToken: boolean;
}

export interface Configs {
  readonly api: ApiConfig;
  readonly worker: WorkerConfig;
}

const ADMIN_EMAIL = 'admin@keelson.local';
const NOT_YET = { url: 'postgres://not-yet', address: 'not-yet:1' };

/** Reads and checks every variable before anything is started. */
export function readLocalSettings(env: Environment): LocalSettings {
  const { KEELSON_DATA_DIR: dataDir } = readVariables(localVariables, env);
  readConfigs(
    env,
    { masterKey: '0'.repeat(64), adminPassword: 'not-yet-known', adminToken: 'not-yet-known-too' },
    NOT_YET,
  );
  return {
    dataDir: path.resolve(dataDir),
    databaseUrl: given(env.DATABASE_URL),
    temporalAddress: given(env.TEMPORAL_ADDRESS),
    adminEmail: given(env.KEELSON_ADMIN_EMAIL) ?? ADMIN_EMAIL,
    hasOwnPassword: given(env.KEELSON_ADMIN_PASSWORD) !== undefined,
    hasOwnToken: given(env.ADMIN_TOKEN) !== undefined,
  };
}

/** What the environment leaves open is filled in: our own servers, the kept secrets, this machine only, open sign-up. */
export function readConfigs(env: Environment, secrets: Secrets, found: { url: string; address: string }): Configs {
  const filled = {
    HOST: '127.0.0.1',
    KEELSON_SIGNUP: 'open',
    // anybody who reaches the API could have themselves a token issued, so nobody but this machine may reach it
    KEELSON_SERVICE_ACCOUNT_DEV: isLoopback(given(env.HOST)) ? 'true' : 'false',
    ...(given(env.KEELSON_MASTER_KEY_FILE) === undefined ? { KEELSON_MASTER_KEY: secrets.masterKey } : {}),
    KEELSON_ADMIN_EMAIL: ADMIN_EMAIL,
    KEELSON_ADMIN_PASSWORD: secrets.adminPassword,
    ADMIN_TOKEN: secrets.adminToken,
    DATABASE_URL: found.url,
    TEMPORAL_ADDRESS: found.address,
    ...Object.fromEntries(Object.entries(env).filter(([, value]) => given(value) !== undefined)),
  };
  return { api: readApiConfig(filled), worker: readWorkerConfig(filled) };
}

const isLoopback = (host = '127.0.0.1'): boolean => ['127.0.0.1', '::1', 'localhost'].includes(host);

const given = (value: string | undefined): string | undefined => (value?.trim() === '' ? undefined : value);
