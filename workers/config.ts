import { readSettings, sharedVariables, type Settings } from '../db/settings.js';
import { list, readVariables, wholeNumber, type Environment } from '../db/variables.js';
import { ENGINE_QUEUE } from '../workflows/contract/queues.js';

const QUEUES: readonly string[] = [ENGINE_QUEUE];

/** What a worker reads besides the shared variables. */
export const workerVariables = {
  WORKER_QUEUES: list((queue) => QUEUES.includes(queue), `a comma list of these queues: ${QUEUES.join(', ')}`),
  WORKER_MAX_CONCURRENT_ACTIVITIES: wholeNumber(1, 10_000).default(100),
  WORKER_MAX_CONCURRENT_WORKFLOW_TASKS: wholeNumber(2, 10_000).default(40),
  WORKER_MAX_CACHED_WORKFLOWS: wholeNumber(0, 100_000).default(500),
  WORKER_SHUTDOWN_GRACE_SECONDS: wholeNumber(0, 3_600).default(10),
  WORKER_HEALTH_PORT: wholeNumber(0, 65_535).optional(),
  KEELSON_WEBHOOK_CONCURRENCY: wholeNumber(1, 1_000).default(20),
  KEELSON_WEBHOOK_MOST_DEAD: wholeNumber(1, 1_000_000).default(100),
};

/** Every variable a worker process reads. */
export const workerEnvironment = { ...sharedVariables, ...workerVariables };

export interface WorkerConfig extends Settings {
  readonly queues: readonly string[];
  readonly maxConcurrentActivities: number;
  readonly maxConcurrentWorkflowTasks: number;
  /** Runs kept in memory between tasks; the rest are replayed. */
  readonly maxCachedWorkflows: number;
  readonly shutdownGraceSeconds: number;
  /** Where `/healthz` answers; absent: nowhere. */
  readonly healthPort: number | undefined;
  readonly webhooks: {
    /** Requests to one endpoint at a time. */
    readonly concurrency: number;
    /** An endpoint is turned off after so many deliveries in a row that were given up. */
    readonly mostDead: number;
  };
}

export function readWorkerConfig(env: Environment): WorkerConfig {
  const given = readVariables(workerVariables, env);
  return {
    ...readSettings(env),
    queues: given.WORKER_QUEUES.length === 0 ? QUEUES : given.WORKER_QUEUES,
    maxConcurrentActivities: given.WORKER_MAX_CONCURRENT_ACTIVITIES,
    maxConcurrentWorkflowTasks: given.WORKER_MAX_CONCURRENT_WORKFLOW_TASKS,
    maxCachedWorkflows: given.WORKER_MAX_CACHED_WORKFLOWS,
    shutdownGraceSeconds: given.WORKER_SHUTDOWN_GRACE_SECONDS,
    healthPort: given.WORKER_HEALTH_PORT,
    webhooks: { concurrency: given.KEELSON_WEBHOOK_CONCURRENCY, mostDead: given.KEELSON_WEBHOOK_MOST_DEAD },
  };
}
