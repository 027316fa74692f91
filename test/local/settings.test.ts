import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { readApiConfig } from '../../api/config.js';
import { readSettings, temporalConnection } from '../../db/settings.js';
import { SettingsError } from '../../db/variables.js';
import { readConfigs, readLocalSettings } from '../../local/settings.js';
import { readWorkerConfig } from '../../workers/config.js';
import { scratchFolder } from '../support/scratch.js';

const KEY = 'ab'.repeat(32);
const base = { DATABASE_URL: 'postgres://u:p@db:5432/keelson', KEELSON_MASTER_KEY: KEY };

function sentenceOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(SettingsError);
    return error instanceof Error ? error.message : '';
  }
  throw new Error('nothing was refused');
}

describe('a wrong value is one sentence that names the variable and the fix', () => {
  test.each([
    [{ DATABASE_URL: undefined }, /^DATABASE_URL is not set: give a Postgres address such as postgres:.*\.$/],
    [{ DATABASE_URL: 'mysql://x' }, /^DATABASE_URL must be a Postgres address/],
    [{ KEELSON_MASTER_KEY: 'short' }, /^KEELSON_MASTER_KEY must be 32 random bytes/],
    [
      { TEMPORAL_ADDRESS: 'http://x:1' },
      /^TEMPORAL_ADDRESS must be host:port without a scheme.*, not "http:\/\/x:1"\.$/,
    ],
    [{ TEMPORAL_TLS: 'yes' }, /^TEMPORAL_TLS must be true or false, not "yes"\.$/],
    [{ TEMPORAL_TLS_CERT: '/nowhere' }, /^TEMPORAL_TLS_KEY is not set/],
    [{ TEMPORAL_TLS_CA: '/nowhere' }, /^TEMPORAL_TLS_CA names a file that cannot be read/],
    [{ KEELSON_EGRESS_ALLOW: 'http://crm' }, /^KEELSON_EGRESS_ALLOW "http:\/\/crm" is a URL/],
    [{ KEELSON_LLM_BASE_URL: 'http://llm/v1' }, /^KEELSON_LLM_MODEL is not set/],
    [{ KEELSON_LLM_API_KEY: 'k' }, /^KEELSON_LLM_BASE_URL is not set/],
    [{ SMTP_URL: 'http://x' }, /^SMTP_URL must be an address such as smtp:/],
    [{ SMTP_PORT: '25' }, /^SMTP_HOST is not set/],
    [{ LOG_LEVEL: 'loud' }, /^LOG_LEVEL must be one of trace.*, not "loud"\.$/],
  ])('%j', (change, sentence) => {
    expect(sentenceOf(() => readSettings({ ...base, ...change }))).toMatch(sentence);
  });

  test.each([
    [{ PORT: '99999' }, /^PORT must be a whole number from 0 to 65535, not "99999"\.$/],
    [{ PORT: '40 00' }, /^PORT must be a whole number/],
    [{ ADMIN_TOKEN: 'abc' }, /^ADMIN_TOKEN must be at least 16 characters/],
    [{ CORS_ORIGINS: 'https://a.example/path' }, /^CORS_ORIGINS must be a comma list of origins/],
    [{ KEELSON_SIGNUP: 'maybe' }, /^KEELSON_SIGNUP must be one of open, invite_only/],
    [{ KEELSON_SERVICE_ACCOUNT_KEY: 'short' }, /^KEELSON_SERVICE_ACCOUNT_KEY must be at least 32 characters/],
    [{ KEELSON_ADMIN_EMAIL: 'nobody' }, /^KEELSON_ADMIN_EMAIL must be an e-mail address/],
  ])('of the API: %j', (change, sentence) => {
    expect(sentenceOf(() => readApiConfig({ ...base, ...change }))).toMatch(sentence);
  });

  test('of a worker', () => {
    const read = (): unknown => readWorkerConfig({ ...base, WORKER_QUEUES: 'engine,other' });
    expect(sentenceOf(read)).toMatch(
      /^WORKER_QUEUES must be a comma list of these queues: engine, not "engine,other"\.$/,
    );
  });

  test.each(['DATABASE_URL', 'KEELSON_MASTER_KEY', 'SMTP_URL', 'ADMIN_TOKEN', 'KEELSON_ADMIN_PASSWORD'])(
    'the value of %s is never repeated',
    (name) => {
      expect(sentenceOf(() => readApiConfig({ ...base, [name]: 'hunter2' }))).not.toContain('hunter2');
    },
  );
});

describe('values', () => {
  test('an empty variable is one that is not set', () => {
    const settings = readSettings({ ...base, TEMPORAL_ADDRESS: '', KEELSON_LLM_MODEL: ' ', SMTP_URL: '' });
    expect(settings.temporal).toEqual({ address: '127.0.0.1:7233', namespace: 'keelson', tls: false });
    expect(settings).toMatchObject({ llm: undefined, smtp: undefined, egressAllow: [], logLevel: 'info' });
  });

  test('the master key is 32 bytes, written as hex or base64', () => {
    const bytes = Buffer.from(KEY, 'hex');
    const encoded = readSettings({ ...base, KEELSON_MASTER_KEY: bytes.toString('base64') }).masterKey;
    expect(readSettings(base).masterKey).toEqual(bytes);
    expect(encoded).toEqual(bytes);
  });

  test('an API key turns TLS on; certificate files are read', () => {
    const folder = scratchFolder();
    const file = (name: string): string => path.join(folder, name);
    for (const name of ['crt', 'key', 'ca']) writeFileSync(file(name), name);
    const withKey = readSettings({ ...base, TEMPORAL_API_KEY: 'k' });
    const withFiles = readSettings({
      ...base,
      TEMPORAL_TLS_CERT: file('crt'),
      TEMPORAL_TLS_KEY: file('key'),
      TEMPORAL_TLS_CA: file('ca'),
      TEMPORAL_TLS_SERVER_NAME: 'temporal.example',
    });
    expect(temporalConnection(withKey.temporal)).toEqual({ address: '127.0.0.1:7233', tls: true, apiKey: 'k' });
    expect(temporalConnection(withFiles.temporal).tls).toEqual({
      serverNameOverride: 'temporal.example',
      serverRootCACertificate: Buffer.from('ca'),
      clientCertPair: { crt: Buffer.from('crt'), key: Buffer.from('key') },
    });
  });

  test('mail by address and by parts is the same', () => {
    const byUrl = readSettings({ ...base, SMTP_URL: 'smtps://me:p%40ss@mail.example' }).smtp;
    const byParts = readSettings({
      ...base,
      SMTP_HOST: 'mail.example',
      SMTP_PORT: '465',
      SMTP_USER: 'me',
      SMTP_PASSWORD: 'p@ss',
    }).smtp;
    expect(byUrl).toEqual(byParts);
    expect(byUrl).toMatchObject({ host: 'mail.example', port: 465, secure: true, password: 'p@ss' });
  });

  test('npm start fills in what is not given, and keeps what is', () => {
    const secrets = { masterKey: KEY, adminPassword: 'generated-one', adminToken: 'a-generated-token' };
    const found = { url: 'postgres://local', address: '127.0.0.1:1' };
    const plain = readConfigs({}, secrets, found);
    const given = readConfigs({ KEELSON_SIGNUP: 'closed', DATABASE_URL: 'postgres://mine' }, secrets, found);
    expect(plain.api).toMatchObject({ signup: 'open', host: '127.0.0.1', port: 4000, databaseUrl: 'postgres://local' });
    expect(plain.api).toMatchObject({ adminEmail: 'admin@keelson.local', adminPassword: 'generated-one' });
    expect(plain.api.adminToken).toBe('a-generated-token');
    expect(readConfigs({ ADMIN_TOKEN: 'one-of-my-own-making' }, secrets, found).api.adminToken).toBe(
      'one-of-my-own-making',
    );
    expect(given.api).toMatchObject({ signup: 'closed', databaseUrl: 'postgres://mine' });
    expect(plain.api.serviceAccounts.allowsDevelopment).toBe(true);
    expect(readConfigs({ HOST: '0.0.0.0' }, secrets, found).api.serviceAccounts.allowsDevelopment).toBe(false);
    expect(readLocalSettings({}).databaseUrl).toBeUndefined();
    expect(sentenceOf(() => readLocalSettings({ PORT: 'x' }))).toMatch(/^PORT must/);
  });
});
