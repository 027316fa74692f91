// What `npm start` and `npm test` bring up to date before any package is installed: Node's own modules only.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

const OLDEST_NODE = [20, 18, 1];
const SOURCE_FOLDERS = ['workflows', 'db', 'activities', 'workers', 'api', 'local', 'test', 'bench'];
const ASSETS = [['node_modules/redoc/bundles/redoc.standalone.js', 'dist/assets/redoc.standalone.js']];

const BUILD_STEPS = [['node_modules/typescript/bin/tsc', '-b'], ['dist/local/bundle-workflows.js']];

/** One sentence when this Node is too old, else undefined. */
export function nodeTrouble(version = process.versions.node) {
  const parts = version.split('.').map(Number);
  const at = parts.findIndex((part, index) => part !== OLDEST_NODE[index]);
  if (at < 0 || parts[at] > OLDEST_NODE[at]) return undefined;
  return `Keelson needs Node ${OLDEST_NODE.join('.')} or newer, and this is ${version}: install a newer Node from nodejs.org.`;
}

/** Does node_modules hold what package-lock.json asks for? npm writes its own list last, so a broken install has none. */
export function isInstalled(root) {
  const wanted = packagesOf(path.join(root, 'package-lock.json'));
  const present = packagesOf(path.join(root, 'node_modules', '.package-lock.json'));
  if (wanted === undefined || present === undefined) return false;
  const changed = Object.entries(present).some(([name, { version }]) => wanted[name]?.version !== version);
  const missing = Object.entries(wanted).some(([name, { optional }]) => name !== '' && !optional && !present[name]);
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
export function sourceStamp(root) {
  const hash = createHash('sha256');
  for (const file of ['tsconfig.json', 'package-lock.json']) addFile(hash, root, file);
  for (const folder of SOURCE_FOLDERS) {
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

const stampFile = (root) => path.join(root, 'dist', '.build', 'stamp');

/** Was dist built, whole, from just these sources? */
export function isBuilt(root) {
  try {
    return fs.readFileSync(stampFile(root), 'utf8') === sourceStamp(root);
  } catch {
    return false;
  }
}

/** Installs what package-lock.json names; true when it worked. */
export function install(root, say) {
  say('Installing packages (once, a minute or so)…');
  const flags = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  const isScript = npm !== undefined && npm.endsWith('.js');
  const done = isScript
    ? spawnSync(process.execPath, [npm, ...flags], { cwd: root, stdio: 'inherit' })
    : spawnSync('npm', flags, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  return done.status === 0;
}

/** Builds into an empty dist, so that nothing of a removed source is left; true when it worked. */
export function build(root, say) {
  say('Building…');
  const stamp = sourceStamp(root);
  fs.rmSync(path.join(root, 'dist'), { recursive: true, force: true });
  for (const step of BUILD_STEPS) {
    const done = spawnSync(process.execPath, step, { cwd: root, stdio: 'inherit' });
    if (done.status !== 0) return false;
  }
  for (const [from, to] of ASSETS) copyAsset(path.join(root, from), path.join(root, to));
  fs.writeFileSync(stampFile(root), stamp);
  return true;
}

function copyAsset(from, to) {
  fs.mkdirSync(path.dirname(to), { recursive: true });
  fs.copyFileSync(from, to);
}
