import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker, type NativeConnection, type WorkerOptions } from '@temporalio/worker';
import { createCodePool } from '../activities/code/pool.js';
import type { CodePort } from '../activities/code/port.js';
import { createEgress } from '../activities/egress/egress.js';
import { noKnowledge } from '../activities/knowledge/port.js';
import { createLlmPort } from '../activities/llm/create.js';
import type { MailPort } from '../activities/mail/port.js';
import { createOutboxPort } from '../activities/mail/outbox.js';
import { createMailPort } from '../activities/mail/smtp.js';
import { createNodeRunners, Fault, NodeFailure } from '../activities/nodes/runner.js';
import { createWebhooks } from '../activities/webhooks/create.js';
import { createAnnounce } from '../activities/announce.js';
import { createRecordActivities } from '../activities/records.js';
import { createScheduleActivities } from '../activities/schedules.js';
import { createSegmentActivities } from '../activities/segment.js';
import type { Database } from '../db/client.js';
import type { Logger } from '../db/log.js';
import type { Tracing } from '../db/telemetry/tracing.js';
import { readSecrets } from '../db/secrets.js';
import { createRunFacts } from '../db/run-facts.js';
import { createTenantLimits } from '../db/tenant-egress.js';
import { openKeys, type Keys } from '../db/vault/open.js';
import { findWorkspaceTool } from '../db/workspace-tools.js';
import type { RunActivities, ScheduleActivities } from '../workflows/contract/activities.js';
import type { WebhookActivities } from '../workflows/contract/webhooks.js';
import { ENGINE_QUEUE } from '../workflows/contract/queues.js';
import { bundleSource } from './bundle-source.js';
import { heartbeats } from './heartbeats.js';
import { traceActivities, traceSinks } from './traces.js';
import type { WorkerConfig } from './config.js';

export interface EngineWorkerOptions {
  readonly connection: NativeConnection;
  readonly config: WorkerConfig;
  readonly db: Database;
  readonly log: Logger;
  /** Where spans of workflows go; none are made without it. */
  readonly tracing?: Tracing | undefined;
}

/** Reservations for eager activities a workflow task: a fan-out of so many starts without a round trip each. */
const EAGER_RESERVATIONS = 20;

/** The worker of the engine's queue: workflows and activities together, so that eager dispatch applies. */
export async function createEngineWorker({
  connection,
  config,
  db,
  log,
  tracing,
}: EngineWorkerOptions): Promise<Worker> {
  const keys = await openKeys({ db, settings: config, log });
  const code = createCodePool();
  const worker = await Worker.create({
    connection,
    namespace: config.temporal.namespace,
    taskQueue: ENGINE_QUEUE,
    activities: createActivities({ config, db, keys, log, code }),
    ...workflows(),
    sinks: traceSinks(tracing),
    ...workerTuning(config),
  });
  return endingWith(worker, () => code.close());
}

/** What the activities hold open ends when the worker has. */
function endingWith(worker: Worker, close: () => Promise<void>): Worker {
  const run = worker.run.bind(worker);
  worker.run = async () => {
    try {
      await run();
    } finally {
      await close();
    }
  };
  return worker;
}

/** How much a worker does at once, and how. */
export const workerTuning = (config: WorkerConfig) =>
  ({
    maxConcurrentActivityTaskExecutions: config.maxConcurrentActivities,
    maxConcurrentWorkflowTaskExecutions: config.maxConcurrentWorkflowTasks,
    maxCachedWorkflows: config.maxCachedWorkflows,
    maxEagerActivityReservationsPerWorkflowTask: EAGER_RESERVATIONS,
    maxHeartbeatThrottleInterval: '1 second',
    shutdownGraceTime: `${config.shutdownGraceSeconds} seconds`,
  }) satisfies Partial<WorkerOptions>;

/** The bundle made at build time when there is one: it saves a second or two at each start. */
function workflows(): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath' | 'bundlerOptions' | 'interceptors'> {
  const codePath = fileURLToPath(new URL('../assets/workflows.js', import.meta.url));
  const interceptors = { activity: [heartbeats, traceActivities] };
  if (existsSync(codePath)) return { workflowBundle: { codePath }, interceptors };
  const { workflowsPath, preloadModules, workflowInterceptorModules: workflowModules } = bundleSource;
  return { workflowsPath, bundlerOptions: { preloadModules }, interceptors: { ...interceptors, workflowModules } };
}

function createActivities({
  config,
  db,
  keys,
  log,
  code,
}: Pick<EngineWorkerOptions, 'config' | 'db' | 'log'> & {
  readonly keys: Keys;
  readonly code: CodePort;
}): RunActivities & ScheduleActivities & WebhookActivities {
  const mail: MailPort = config.smtp === undefined ? createOutboxPort({ db, log }) : createMailPort(config.smtp);
  const runners = createNodeRunners({
    egress: createEgress({ allow: config.egressAllow, limitsOf: createTenantLimits(db).of }),
    llm: createLlmPort(config.llm ?? {}),
    mail,
    log,
    code,
    knowledge: noKnowledge,
    tool: (workspaceId, name) => findWorkspaceTool(db, workspaceId, name),
    prices: config.llmPrices,
    runFacts: createRunFacts(db),
    pause: (ms, signal) => pause(ms, undefined, { signal }),
  });
  const store = { db, vault: keys.vault };
  const secret = async (workspaceId: string, name: string): Promise<string> => {
    const value = (await readSecrets(store, workspaceId, [name])).get(name);
    if (value !== undefined) return value;
    const message = `The workspace has no secret ${name}; add it with POST /v1/secrets.`;
    throw new NodeFailure(Fault.secretMissing, message, { retryable: false });
  };
  return {
    ...createSegmentActivities({ db, runners, secret, warn: (fields, message) => log.warn(fields, message) }),
    ...createRecordActivities({ db, announce: createAnnounce({ mail, log }) }),
    ...createScheduleActivities({ db }),
    ...createWebhooks({ ...config, ...keys, db, mail, log }),
  };
}
