import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from './errors.js';
import { isAlive, type LocalServer } from './processes.js';

const WATCH_MS = 200;
const RETRY_MS = 1_000;

export interface SuperviseOptions<Server extends LocalServer> {
  readonly name: string;
  /** Starts it again where its clients look for it. */
  readonly restart: (last: Server) => Promise<Server>;
  readonly report: (message: string) => void;
}

export interface Supervised<Server extends LocalServer> {
  readonly current: () => Server;
  readonly stop: () => Promise<void>;
  readonly kill: () => void;
}

/** Watches a server, also one that is not our child, and starts it again whenever it dies. */
export function supervise<Server extends LocalServer>(
  first: Server,
  { name, restart, report }: SuperviseOptions<Server>,
): Supervised<Server> {
  let server = first;
  let restarting: Promise<void> | undefined;
  let stopped = false;

  const revive = async (): Promise<void> => {
    report(`${name} (process ${server.pid}) died; starting it again.`);
    while (!stopped) {
      try {
        server = await restart(server);
        return;
      } catch (error) {
        report(`${name} did not start again, trying once more: ${messageOf(error)}`);
        await sleep(RETRY_MS);
      }
    }
  };
  const watch = setInterval(() => {
    if (restarting !== undefined || isAlive(server.pid)) return;
    restarting = revive().finally(() => (restarting = undefined));
  }, WATCH_MS);

  return {
    current: () => server,
    stop: async () => {
      stopped = true;
      clearInterval(watch);
      await restarting;
      await server.stop();
    },
    kill: () => {
      stopped = true;
      clearInterval(watch);
      server.kill();
    },
  };
}
