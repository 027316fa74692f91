// The one door of every npm script: installs and builds what is missing, then runs the target.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, install, isBuilt, isInstalled, nodeTrouble } from './upkeep.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const say = (message) => console.log(message);

const program = (file) => (args) => runProgram(file, args);
const TARGETS = {
  build: () => undefined,
  test: (args) => runTests(args),
  start: program('local/main.js'),
  api: program('api/main.js'),
  worker: program('workers/main.js'),
  migrate: program('local/migrate.js'),
  rotate: program('local/rotate-keys.js'),
  'audit:verify': program('local/audit-verify.js'),
  bench: program('bench/main.js'),
  chaos: program('test/chaos/main.js'),
  contract: program('test/contract/main.js'),
};

/** The others run with the packages of production alone. */
const NEEDS_ALL = new Set(['build', 'test', 'bench', 'chaos', 'contract']);

/** Runs in this process, so that signals reach it directly. */
async function runProgram(file, args) {
  const script = path.join(root, 'dist', file);
  if (!fs.existsSync(script)) return fail(`${file.replace(/\.js$/, '.ts')} is missing, so there is nothing to run.`);
  process.argv = [process.execPath, script, ...args];
  await import(pathToFileURL(script).href);
}

/** Ends with one line that says how many tests passed and failed; a file that could not run counts as failed. */
function runTests(args) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-jest-'));
  const report = path.join(folder, 'report.json');
  const jest = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  const options =
    `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules --disable-warning=ExperimentalWarning`.trim();
  const done = spawnSync(process.execPath, [jest, '--json', `--outputFile=${report}`, ...args], {
    cwd: root,
    stdio: ['inherit', 'ignore', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: options },
  });
  const { passed, failed } = readReport(report, done.status);
  fs.rmSync(folder, { recursive: true, force: true });
  process.exitCode = failed > 0 ? 1 : (done.status ?? 1);
  say(`${passed} passed, ${failed} failed`);
}

function readReport(file, status) {
  try {
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = JSON.parse(fs.readFileSync(file, 'utf8'));
    const failed = numFailedTests + numRuntimeErrorTestSuites;
    return { passed: numPassedTests, failed: failed === 0 && status !== 0 ? 1 : failed };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

function fail(message) {
  console.error(message);
  process.exitCode = 1;
}

async function main([target = 'start', ...args]) {
  const run = TARGETS[target];
  const trouble = nodeTrouble();
  if (trouble !== undefined) return fail(trouble);
  if (run === undefined) return fail(`There is no ${target}: choose one of ${Object.keys(TARGETS).join(', ')}.`);
  const scope = NEEDS_ALL.has(target) ? 'all' : 'platform';
  if (!isInstalled(root, scope) && !install(root, say, scope))
    return fail('npm could not install the packages, see its message above.');
  if (!isBuilt(root, scope) && !build(root, say, scope)) return fail('The build failed, see the messages above.');
  await run(args);
}

await main(process.argv.slice(2));
