import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCleanup, Stopped, type Cleanup } from './cleanup.js';
import { messageOf } from './errors.js';
import { startPlatform, type Platform } from './platform.js';

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** At a terminal one Ctrl-C arrives twice, from the terminal and passed on by npm; only a later one means haste. */
const SAME_PRESS_MS = 700;
const STARTING_PATIENCE_MS = 15_000;

const say = (message: string): void => console.log(message);

/** `npm start`. */
async function main(): Promise<number> {
  const cleanup = createCleanup(say);
  const asked = stopAsked(cleanup);
  const starting = startPlatform({ env: process.env, cleanup, say });
  try {
    const platform = await Promise.race([starting, asked.then(() => undefined)]);
    if (platform !== undefined) {
      show(platform);
      await asked;
    }
    say('Stopping: letting what is under way finish. Ctrl-C again stops at once.');
    await cleanup.run();
    await Promise.race([starting.catch(() => undefined), sleep(STARTING_PATIENCE_MS, undefined, { ref: false })]);
    say('Stopped. Everything is kept for the next start.');
    return 0;
  } catch (error) {
    if (!(error instanceof Stopped)) console.error(messageOf(error));
    await cleanup.run();
    return 1;
  }
}

/** Resolves on the first signal; a second one ends everything at once. */
function stopAsked(cleanup: Cleanup): Promise<void> {
  return new Promise((resolve) => {
    let first: number | undefined;
    const onSignal = (): void => {
      if (first === undefined) {
        first = Date.now();
        resolve();
      } else if (Date.now() - first > SAME_PRESS_MS) {
        cleanup.force();
        process.exit(130);
      }
    };
    for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
  });
}

function show(platform: Platform): void {
  const { apiUrl, uiUrl, temporalAddress, adminEmail, passwordFile, tokenFile, logFile, outboxUrl } = platform;
  const password = passwordFile === undefined ? 'KEELSON_ADMIN_PASSWORD' : `adminPassword in ${shown(passwordFile)}`;
  const lines = [
    ['API', apiUrl],
    ['Docs', `${apiUrl}/docs`],
    ['Temporal UI', uiUrl ?? `the one of your server at ${temporalAddress}`],
    ['Sign in', `${adminEmail}, password: ${password}`],
    ...(outboxUrl === undefined ? [] : [['Mail', `${outboxUrl} (no mail server is set: nothing is sent)`]]),
    ['ADMIN_TOKEN', tokenFile === undefined ? 'the one you set' : `adminToken in ${shown(tokenFile)}`],
    ['Log', shown(logFile)],
    ['Try', signInCommand(platform)],
  ];
  say(`\nKeelson is running.\n${lines.map(([name = '', text]) => `  ${name.padEnd(12)} ${text}`).join('\n')}\n`);
}

/** As one would type it here. */
function shown(file: string): string {
  const near = path.relative(process.cwd(), file);
  return near.startsWith('..') ? file : near;
}

/** Reads the password from its file, so that it shows neither here nor in the shell's history. */
function signInCommand({ apiUrl, adminEmail, passwordFile }: Platform): string {
  const password =
    passwordFile === undefined
      ? '$KEELSON_ADMIN_PASSWORD'
      : `$(node -p "require(path.resolve('${shown(passwordFile)}')).adminPassword")`;
  return (
    `curl -s ${apiUrl}/v1/auth/login -H 'content-type: application/json' ` +
    `-d '{"email":"${adminEmail}","password":"'"${password}"'"}'`
  );
}

/** A fault of ours: one line here, and the servers are left for the next start to adopt. */
function giveUp(error: unknown): void {
  console.error(`Keelson failed and stops; start it again, every run goes on: ${messageOf(error)}`);
  if (process.env.LOG_LEVEL === 'debug') console.error(error);
  process.exit(1);
}

process.on('uncaughtException', giveUp);
/** A reader that went away must not end us. */
process.stdout.on('error', () => undefined);
process.exitCode = await main();
process.exit();
