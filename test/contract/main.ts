import { randomBytes, randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { everyCredential, type Credential } from '../support/credentials.js';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { closeRunFolder, openRunFolder } from '../support/run-folder.js';
import { fuzz, installSchemathesis, type FuzzResult } from './schemathesis.js';

/** Those that differ in what they open; a bad one is as good as another here. */
const KINDS = [
  'nothing',
  'a member with the role viewer',
  'the owner',
  'a workspace token',
  "the organisation's token",
  'a key with every scope',
  'a service account',
  'an embed token',
  'ADMIN_TOKEN',
];

/** They end the very credential that the rest of a run needs, or ask somebody beyond this machine, whose silence is a 502. */
const LEFT_OUT = /logout|revokeAll|password|mfa|^sso\./i;

interface Options {
  readonly isShort: boolean;
  readonly seed: number;
  readonly only: string | undefined;
}

interface Figures {
  readonly name: string;
  readonly cases: number;
  readonly seconds: number;
  readonly result: FuzzResult;
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** `npm run test:contract`: the API against its own description, with every kind of credential. */
async function main(options: Options): Promise<number> {
  openRunFolder();
  const folder = installSchemathesis(say);
  const platform = await startTestPlatform({ KEELSON_SERVICE_ACCOUNT_KEY: randomBytes(32).toString('hex') });
  try {
    return await fuzzAll(platform, options, folder);
  } finally {
    await platform.close();
    await closeRunFolder();
  }
}

async function fuzzAll(platform: TestPlatform, options: Options, folder: string): Promise<number> {
  say(`contract test: seed ${options.seed}`);
  const all: Figures[] = [];
  for (const credential of await credentialsOf(platform, options.only)) {
    const figures = await fuzzWith(platform, { credential, options, folder });
    all.push(figures);
    say(
      `${figures.name.padEnd(32)} ${String(figures.cases).padStart(6)} requests ` +
        `${figures.seconds.toFixed(0).padStart(4)} s  ${figures.result.isClean ? 'as described' : 'NOT AS DESCRIBED'}`,
    );
    if (!figures.result.isClean) say(figures.result.text);
  }
  const failed = all.filter(({ result }) => !result.isClean).length;
  say(
    `${all.reduce((sum, { cases }) => sum + cases, 0)} requests, ${failed} of ${all.length} credentials with failures`,
  );
  return failed === 0 ? 0 : 1;
}

async function credentialsOf(api: TestPlatform, only: string | undefined): Promise<readonly Credential[]> {
  const owner = await api.signUp();
  const known = await everyCredential({ api, owner, stranger: await api.signUp() });
  const ofOwner = { headers: { authorization: `Bearer ${owner.token}` }, opens: new Set([]) };
  const all = [...known, { name: 'the owner', ...ofOwner, may: new Set([]), scopes: new Set([]), role: null }];
  return KINDS.filter((name) => only === undefined || name === only).map((name) => {
    const found = all.find((each) => each.name === name);
    if (found === undefined) throw new Error(`There is no credential called ${name}.`);
    return found as Credential; // -- reason: of the owner's only the headers are read here
  });
}

interface Work {
  readonly credential: Credential;
  readonly options: Options;
  readonly folder: string;
}

async function fuzzWith({ url }: TestPlatform, { credential, options, folder }: Work): Promise<Figures> {
  const { name, headers } = credential;
  const startedAt = performance.now();
  const isWhole = name === 'the owner' && !options.isShort;
  const result = await fuzz({
    folder,
    url,
    headers,
    seed: options.seed,
    phases: isWhole ? ['examples', 'coverage', 'fuzzing'] : ['fuzzing'],
    examples: options.isShort ? 1 : 12,
    leaveOut: name === 'nothing' ? [] : await operationsThat(url, LEFT_OUT),
  });
  return {
    name,
    cases: Number(/(\d+) generated/.exec(result.text)?.[1] ?? 0),
    seconds: (performance.now() - startedAt) / 1_000,
    result,
  };
}

async function operationsThat(url: string, match: RegExp): Promise<readonly string[]> {
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly operationId?: string }>>>>;
  };
  const ids = Object.values(document.paths).flatMap((methods) =>
    Object.values(methods).map((each) => each.operationId),
  );
  return ids.filter((id): id is string => id !== undefined && match.test(id));
}

function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: { short: { type: 'boolean', default: false }, seed: { type: 'string' }, only: { type: 'string' } },
  });
  return { isShort: values.short, seed: Number(values.seed ?? randomInt(1, 1_000_000)), only: values.only };
}

process.exitCode = await main(readOptions(process.argv.slice(2))).catch((error: unknown) => {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 1;
});
process.exit();
