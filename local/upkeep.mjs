// What `npm start` and `npm test` bring up to date before any package is installed: Node's own modules only.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { placeRedoc } from './redoc.mjs';

const OLDEST_NODE = [20, 18, 1];
const PLATFORM_FOLDERS = ['workflows', 'db', 'activities', 'workers', 'api', 'local'];
const ALL_FOLDERS = [...PLATFORM_FOLDERS, 'test', 'bench'];
/** What runs is `platform`; tests and benches need `all`, with the packages of development. */
const FOLDERS = { platform: PLATFORM_FOLDERS, all: ALL_FOLDERS };
const COMPILE = { platform: ['-b', 'local'], all: ['-b'] };
const REDOC = 'dist/assets/redoc.standalone.js';

/** One sentence when this Node is too old, else undefined. */
export function nodeTrouble(version = process.versions.node) {
  const parts = version.split('.').map(Number);
  const at = parts.findIndex((part, index) => part !== OLDEST_NODE[index]);
  if (at < 0 || parts[at] > OLDEST_NODE[at]) return undefined;
  return `Keelson needs Node ${OLDEST_NODE.join('.')} or newer, and this is ${version}: install a newer Node from nodejs.org.`;
}

/** Does node_modules hold what package-lock.json asks for? npm writes its own list last, so a broken install has none. */
export function isInstalled(root, scope = 'all') {
  const wanted = packagesOf(path.join(root, 'package-lock.json'));
  const present = packagesOf(path.join(root, 'node_modules', '.package-lock.json'));
  if (wanted === undefined || present === undefined) return false;
  const changed = Object.entries(present).some(([name, { version }]) => wanted[name]?.version !== version);
  const isNeeded = ({ optional, dev, devOptional }) => !optional && (scope === 'all' || !(dev || devOptional));
  const missing = Object.entries(wanted).some(([name, entry]) => name !== '' && isNeeded(entry) && !present[name]);
  return !changed && !missing;
}

function packagesOf(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/** Changes whenever a source, a compiler setting or the set of packages does. */
export function sourceStamp(root, scope = 'all') {
  const hash = createHash('sha256');
  for (const file of ['tsconfig.json', 'package-lock.json']) addFile(hash, root, file);
  for (const folder of FOLDERS[scope]) {
    const names = fs.existsSync(path.join(root, folder))
      ? fs.readdirSync(path.join(root, folder), { recursive: true })
      : [];
    for (const name of names.filter((entry) => /\.ts$|tsconfig\.json$/.test(entry)).sort()) {
      addFile(hash, root, path.join(folder, name));
    }
  }
  return hash.digest('hex');
}

function addFile(hash, root, file) {
  const { mtimeMs, size } = fs.statSync(path.join(root, file));
  hash.update(`${file} ${mtimeMs} ${size}\n`);
}

const stampFile = (root, scope) => path.join(root, 'dist', '.build', `stamp-${scope}`);

/** Was dist built, whole, from just these sources? */
export function isBuilt(root, scope = 'all') {
  try {
    return fs.readFileSync(stampFile(root, scope), 'utf8') === sourceStamp(root, scope);
  } catch {
    return false;
  }
}

/** Runs npm with the very npm that started us; true when it worked. */
function runNpm(flags, options) {
  const npm = process.env.npm_execpath;
  const done = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...flags], options)
    : spawnSync('npm', flags, { ...options, shell: process.platform === 'win32' });
  return done.status === 0;
}

/** Installs what package-lock.json names; true when it worked. */
export function install(root, say, scope) {
  say('Installing packages (once, a minute or so)…');
  const flags = ['ci', scope === 'all' ? '--include=dev' : '--omit=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  return runNpm(flags, { cwd: root, stdio: 'inherit' });
}

/** Builds into an empty dist, so that nothing of a removed source is left; true when it worked. */
export function build(root, say, scope) {
  say('Building…');
  const scopes = scope === 'all' ? ['platform', 'all'] : ['platform'];
  const stamps = scopes.map((each) => [each, sourceStamp(root, each)]);
  fs.rmSync(path.join(root, 'dist'), { recursive: true, force: true });
  const steps = [['node_modules/typescript/bin/tsc', ...COMPILE[scope]], ['dist/local/bundle-workflows.js']];
  for (const step of steps) {
    const done = spawnSync(process.execPath, step, { cwd: root, stdio: 'inherit' });
    if (done.status !== 0) return false;
  }
  if (!placeRedoc(root, path.join(root, REDOC), (flags, options) => runNpm(flags, { cwd: root, ...options })))
    return false;
  for (const [each, stamp] of stamps) fs.writeFileSync(stampFile(root, each), stamp);
  return true;
}
