import fs from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { apiEnvironment, readApiConfig } from '../../api/config.js';
import { sharedVariables } from '../../db/settings.js';
import { localVariables } from '../../local/settings.js';
import { readWorkerConfig, workerEnvironment } from '../../workers/config.js';

interface Service {
  readonly image: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

const read = (file: string): string => fs.readFileSync(file, 'utf8');
// -- reason: the shape of a compose file; every test below looks at what it holds
const compose = parse(read('temporal-compose.yml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: object;
};
const services = compose.services;
const dockerfile = read('Dockerfile');

function service(name: string): Service {
  const found = services[name];
  if (found === undefined) throw new Error(`there is no service ${name}`);
  return found;
}

const environmentOf = (name: string): Readonly<Record<string, string>> => service(name).environment ?? {};

/** What a person fills in before the first start; the values are no secrets of anything. */
const FILLED: Readonly<Record<string, string>> = {
  POSTGRES_PASSWORD: 'ours',
  TEMPORAL_POSTGRES_PASSWORD: 'theirs',
  KEELSON_MASTER_KEY: '0'.repeat(64),
  KEELSON_ADMIN_EMAIL: 'admin@example.com',
  KEELSON_ADMIN_PASSWORD: 'long enough',
};

const VARIABLE = /\$\{(\w+)(?::([-?])([^}]*))?\}/g;

/** As compose fills in: a default, or a refusal when nothing was given. */
function filledIn(name: string): Record<string, string> {
  const fill = (text: string): string =>
    [...text.matchAll(VARIABLE)].reduce((filled, [whole, variable = '', kind, rest = '']) => {
      const value = FILLED[variable] ?? (kind === '-' ? rest : undefined);
      if (value === undefined) throw new Error(`${name} needs ${variable}`);
      return filled.replace(whole, value);
    }, text);
  return Object.fromEntries(Object.entries(environmentOf(name)).map(([key, value]) => [key, fill(value)]));
}

/** Its Temporal server is in the same private network, without TLS. */
const NOT_IN_COMPOSE = Object.keys(sharedVariables).filter((name) => /^TEMPORAL_(TLS|API_KEY)/.test(name));

interface ExampleLine {
  readonly name: string;
  readonly value: string;
  readonly comment: string;
}

function exampleLines(): ExampleLine[] {
  const lines = read('.env.example').split('\n');
  return lines.flatMap((line, index) => {
    const [, name, value = ''] = /^(\w+)=(.*)$/.exec(line) ?? [];
    return name === undefined ? [] : [{ name, value, comment: lines[index - 1] ?? '' }];
  });
}

const composeVariables = [...read('temporal-compose.yml').matchAll(VARIABLE)].map(([, name = '']) => name);
const withVolume = (name: string): string[] =>
  (service(name).volumes ?? []).map((volume) => volume.split(':')[0] ?? '');

describe('temporal-compose.yml', () => {
  test('has a whole platform', () => {
    const wanted = [
      'postgres',
      'temporal-postgres',
      'temporal-schema',
      'temporal',
      'temporal-namespace',
      'temporal-ui',
    ];
    const ours = ['migrate', 'api', 'worker-1', 'worker-2'];
    expect(Object.keys(services).sort()).toEqual([...wanted, ...ours].sort());
  });

  test.each([
    ['api', apiEnvironment],
    ['worker-1', workerEnvironment],
    ['worker-2', workerEnvironment],
  ])('%s is given every variable its process reads, and no other', (name, variables) => {
    const wanted = Object.keys(variables).filter((key) => !NOT_IN_COMPOSE.includes(key));
    expect(Object.keys(environmentOf(name)).sort()).toEqual(wanted.sort());
  });

  test('what they are given is accepted by the code that reads it', () => {
    const api = readApiConfig(filledIn('api'));
    const worker = readWorkerConfig(filledIn('worker-1'));
    expect(api).toMatchObject({ port: 4000, host: '0.0.0.0', signup: 'closed', llm: undefined, smtp: undefined });
    expect(api).toMatchObject({ temporal: worker.temporal, databaseUrl: worker.databaseUrl });
    expect(worker).toMatchObject({ queues: ['engine'], healthPort: 4001, maxConcurrentActivities: 100 });
    expect(Object.keys(environmentOf('migrate'))).toEqual(['DATABASE_URL']);
    expect(filledIn('migrate').DATABASE_URL).toBe(api.databaseUrl);
  });

  test('addresses name services, with the ports and passwords those have', () => {
    const api = readApiConfig(filledIn('api'));
    const database = new URL(api.databaseUrl);
    const postgres = filledIn('postgres');
    expect(`${database.hostname}:${database.port}`).toBe('postgres:5432');
    expect(database.username).toBe(postgres.POSTGRES_USER);
    expect(database.password).toBe(postgres.POSTGRES_PASSWORD);
    expect(database.pathname).toBe(`/${postgres.POSTGRES_DB}`);
    const [host = '', port] = api.temporal.address.split(':');
    expect(service(host).ports).toEqual([`127.0.0.1:${port}:${port}`]);
    for (const name of ['temporal-ui', 'temporal-namespace']) {
      expect(environmentOf(name).TEMPORAL_ADDRESS).toBe(api.temporal.address);
    }
    expect(filledIn('temporal-namespace').TEMPORAL_NAMESPACE).toBe(api.temporal.namespace);
    expect(filledIn('temporal-ui').TEMPORAL_DEFAULT_NAMESPACE).toBe(api.temporal.namespace);
    expect(service('api').ports).toEqual([`\${PORT:-4000}:${api.port}`]);
    expect(service('api').healthcheck?.test?.join(' ')).toContain(`127.0.0.1:${api.port}/health'`);
  });

  test("Temporal keeps its data in its own Postgres, with that one's account", () => {
    const own = filledIn('temporal-postgres');
    const server = filledIn('temporal');
    const schema = filledIn('temporal-schema');
    expect([server.POSTGRES_SEEDS, schema.SQL_HOST]).toEqual(['temporal-postgres', 'temporal-postgres']);
    expect([server.POSTGRES_USER, schema.SQL_USER]).toEqual([own.POSTGRES_USER, own.POSTGRES_USER]);
    expect([server.POSTGRES_PWD, schema.SQL_PASSWORD]).toEqual([own.POSTGRES_PASSWORD, own.POSTGRES_PASSWORD]);
    expect([server.DB, schema.SQL_PLUGIN]).toEqual(['postgres12', 'postgres12']);
    expect(service('temporal').image.split(':')[1]).toBe(service('temporal-schema').image.split(':')[1]);
  });

  test('the worker answers its health check where it is asked', () => {
    const { WORKER_HEALTH_PORT: port } = environmentOf('worker-1');
    expect(service('worker-1').healthcheck?.test?.join(' ')).toContain(`127.0.0.1:${port}/healthz'`);
    expect(service('worker-2')).toEqual(service('worker-1'));
  });

  test('nothing starts before what it needs', () => {
    const conditions = Object.entries(services).flatMap(([name, { depends_on: needs = {} }]) =>
      Object.entries(needs).map(([needed, { condition }]) => ({ name, needed, condition })),
    );
    expect(conditions.length).toBeGreaterThan(8);
    for (const { needed, condition } of conditions) {
      const isChecked = service(needed).healthcheck?.test !== undefined;
      expect(condition).toBe(isChecked ? 'service_healthy' : 'service_completed_successfully');
    }
    expect(Object.keys(service('api').depends_on ?? {})).toEqual(['migrate', 'temporal-namespace']);
  });

  test('no secret is written down; what must be given is asked for by name', () => {
    const secret = Object.keys(services).flatMap((name) =>
      Object.entries(environmentOf(name)).filter(([key]) => /PASSWORD|PWD|TOKEN|_KEY|DATABASE_URL/.test(key)),
    );
    for (const [, value] of secret) expect(value).toMatch(/\$\{\w+:(\?set \w+ in \.env|-)\}/);
    const asked = [...read('temporal-compose.yml').matchAll(/\$\{(\w+):\?set (\w+) in \.env\}/g)];
    for (const [, name, named] of asked) expect(named).toBe(name);
    expect(new Set(asked.map(([, name]) => name))).toEqual(new Set(Object.keys(FILLED)));
  });

  test('volumes and mounted files exist', () => {
    const used = Object.keys(services).flatMap(withVolume);
    const folders = used.filter((volume) => volume.startsWith('.'));
    expect(used.filter((volume) => !volume.startsWith('.')).sort()).toEqual(Object.keys(compose.volumes).sort());
    for (const folder of folders) expect(fs.existsSync(folder)).toBe(true);
    expect(environmentOf('temporal').DYNAMIC_CONFIG_FILE_PATH).toBe('/etc/temporal/keelson/dynamic-config.yaml');
    for (const script of ['setup-schema.sh', 'create-namespace.sh']) {
      expect(read('temporal-compose.yml')).toContain(`/deploy/${script}`);
      expect(fs.existsSync(`deploy/temporal/${script}`)).toBe(true);
    }
  });
});

describe('deploy/temporal', () => {
  test('the dynamic configuration holds what the design rests on', () => {
    // -- reason: the shape Temporal asks of this file
    const values = parse(read('deploy/temporal/dynamic-config.yaml')) as Record<string, readonly { value: unknown }[]>;
    const flat = Object.fromEntries(Object.entries(values).map(([key, [first]]) => [key, first?.value]));
    expect(flat).toMatchObject({
      'limit.maxIDLength': 255,
      'matching.enableFairness': true,
      'history.timerProcessorMaxTimeShift': '10ms',
      'history.transferProcessorMaxPollRPS': 2000,
    });
  });

  test('the local server is given the same values', () => {
    const local = read('local/temporal.ts');
    // -- reason: the shape Temporal asks of this file
    const values = parse(read('deploy/temporal/dynamic-config.yaml')) as Record<string, readonly { value: unknown }[]>;
    for (const [, key = '', value = ''] of local.matchAll(/'((?:history|matching|frontend)\.\w+)=(.+)',/g)) {
      expect([key, JSON.stringify(values[key]?.[0]?.value)]).toEqual([key, value]);
    }
  });

  test('the namespace gets the search attributes the local one has', () => {
    const script = read('deploy/temporal/create-namespace.sh');
    const [, names = ''] = /for name in (.*); do/.exec(script) ?? [];
    const [, wanted = ''] = /SEARCH_ATTRIBUTES = \[(.*)\]/.exec(read('local/temporal-namespace.ts')) ?? [];
    expect(names.split(' ')).toEqual([...wanted.matchAll(/\w+/g)].map(([name]) => name));
    expect(script).toContain('--retention 7d');
  });
});

describe('Dockerfile', () => {
  test('runs what the npm scripts run, as no root, with a health check', () => {
    const scripts = [...read('local/bootstrap.mjs').matchAll(/program\('([\w/.]+)'\)/g)].map(
      ([, file]) => `dist/${file}`,
    );
    const commands = ['migrate', 'api', 'worker-1', 'worker-2'].map((name) => service(name).command ?? []);
    for (const command of commands) {
      expect(command[0]).toBe('node');
      expect(scripts).toContain(command[1]);
    }
    expect(dockerfile).toMatch(/^CMD \["node", "dist\/api\/main\.js"\]$/m);
    expect(dockerfile.lastIndexOf('\nUSER node\n')).toBeGreaterThan(dockerfile.lastIndexOf('\nFROM '));
    expect(dockerfile).toMatch(/^HEALTHCHECK /m);
  });

  test('opens the ports the processes listen on', () => {
    const { PORT } = environmentOf('api');
    const { WORKER_HEALTH_PORT } = environmentOf('worker-1');
    expect(dockerfile).toMatch(new RegExp(`^EXPOSE ${PORT} ${WORKER_HEALTH_PORT}$`, 'm'));
  });
});

describe('.env.example', () => {
  const lines = exampleLines();
  const names = lines.map(({ name }) => name);

  test('lists every variable once, and no other', () => {
    const ours = { ...apiEnvironment, ...workerEnvironment, ...localVariables };
    const wanted = new Set([...Object.keys(ours), ...composeVariables]);
    expect(names.toSorted()).toEqual([...wanted].sort());
  });

  test('says in one line what each is for', () => {
    for (const { name, comment } of lines)
      expect([name, comment]).toEqual([name, expect.stringMatching(/^# [\w*].+\.$/)]);
  });

  test('gives away no secret, and its values are the defaults', () => {
    const given = Object.fromEntries(lines.filter(({ value }) => value !== '').map(({ name, value }) => [name, value]));
    const needed = { DATABASE_URL: 'postgres://x/y', KEELSON_MASTER_KEY: '0'.repeat(64) };
    expect(Object.keys(given).filter((name) => /PASSWORD|TOKEN|KEY|URL/.test(name))).toEqual([]);
    expect(readApiConfig({ ...given, ...needed })).toEqual(readApiConfig(needed));
    expect(readWorkerConfig({ ...given, ...needed })).toEqual(readWorkerConfig(needed));
  });
});
