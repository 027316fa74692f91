import { Client, type Connection, type ScheduleDescription } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { ApiError } from '../../api/http/errors.js';
import { createScheduleService, type ScheduleService } from '../../api/services/schedules.js';
import { createScheduleGateway } from '../../api/temporal/schedules.js';
import type { Database } from '../../db/client.js';
import { newSeed } from '../../db/ids.js';
import { scheduleTemporalId } from '../../workflows/contract/ids.js';
import type { RunInput } from '../../workflows/contract/run.js';
import { testDatabase } from '../support/database.js';
import { localEnvironment } from '../support/temporal.js';
import { connectThenLose, seedWorkspace } from './setup.js';

export const DAILY = { cron_expr: '0 9 * * *', prompt: 'Good morning' };
export type ScheduleInput = Parameters<ScheduleService['create']>[0]['input'];

/** The service over a real database and a real Temporal server, and again over one that has gone away. */
export interface ScheduleHarness {
  readonly env: TestWorkflowEnvironment;
  readonly db: Database;
  readonly service: ScheduleService;
  readonly away: ScheduleService;
  /** The runs it started, oldest first. */
  readonly started: readonly RunInput[];
  readonly close: () => Promise<void>;
}

export async function startScheduleHarness(): Promise<ScheduleHarness> {
  const [env, database] = await Promise.all([localEnvironment(), testDatabase()]);
  const { db } = database;
  const started: RunInput[] = [];
  const runs = { startRun: (input: RunInput) => Promise.resolve(void started.push(input)) };
  const lost: Connection = await connectThenLose(env.address);
  const over = (client: Client) => createScheduleService({ db, runs, schedules: createScheduleGateway({ client }) });
  return {
    env,
    db,
    service: over(env.client),
    away: over(new Client({ connection: lost })),
    started,
    close: async () => {
      await lost.close();
      await Promise.all([env.teardown(), database.close()]);
    },
  };
}

/** One workspace of the harness, and what tests ask of it again and again. */
export interface ScheduleBench {
  readonly workspaceId: string;
  readonly create: (input: ScheduleInput, by?: ScheduleService) => ReturnType<ScheduleService['create']>;
  readonly inTemporal: (scheduleId: string) => Promise<ScheduleDescription>;
  readonly rowOf: (scheduleId: string) => Promise<Awaited<ReturnType<ScheduleService['list']>>[number] | undefined>;
}

export async function openBench({ db, env, service }: ScheduleHarness): Promise<ScheduleBench> {
  const { workspaceId } = await seedWorkspace(db);
  return {
    workspaceId,
    create: (input, by = service) => by.create({ workspaceId, seed: newSeed(), input }),
    inTemporal: (scheduleId) => env.client.schedule.getHandle(scheduleTemporalId(workspaceId, scheduleId)).describe(),
    rowOf: async (scheduleId) => (await service.list(workspaceId)).find(({ id }) => id === scheduleId),
  };
}

/** What a refused call says: its status, sentence and fields. Anything but an ApiError comes back as it is. */
export async function refusal(call: Promise<unknown>): Promise<unknown> {
  const error: unknown = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return error instanceof ApiError
    ? { status: error.status, message: error.message, fields: error.details.map(({ field }) => field) }
    : error;
}
