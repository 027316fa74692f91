import type { Database } from '../../db/client.js';
import { derivedId } from '../../db/ids.js';
import { chainPrompt } from '../../db/schedule-runs.js';
import { findChain, type NewSchedule, type Schedule, type ScheduleChanges } from '../../db/schedules.js';
import { ApiError, badRequest } from '../http/errors.js';
import { checkSize, defaultName, readExpression, readTimezone, readWork } from './schedule-input.js';
import type { ScheduleInput, Work } from './schedule-input.js';
import { computedNextRun } from './schedule-sync.js';

/** The kind of definition that a schedule's `chain` names. */
const CHAIN_KIND = 'chain';

export interface NewScheduleRequest {
  readonly workspaceId: string;
  readonly seed: string;
  readonly input: ScheduleInput;
}

export async function columnsOfNew(
  db: Database,
  { workspaceId, seed, input }: NewScheduleRequest,
): Promise<NewSchedule> {
  const work = readWork(input);
  const expression = readExpression(input);
  if (expression === undefined || work === undefined) throw missing(expression, work);
  return {
    id: derivedId('sch', seed),
    workspace_id: workspaceId,
    name: nameOf(input) ?? defaultName(work),
    source: 'runtime',
    ...timing(input, { cron_expr: expression, timezone: 'UTC', enabled: true, overlap: 'skip' }),
    ...(await columnsOfWork(db, workspaceId, work)),
  };
}

export async function columnsOfChange(
  db: Database,
  schedule: Schedule,
  input: ScheduleInput,
): Promise<ScheduleChanges> {
  const work = changedWork(schedule, input);
  return {
    name: nameOf(input) ?? schedule.name,
    ...timing(input, schedule),
    ...(work === undefined ? {} : await columnsOfWork(db, schedule.workspace_id, work)),
  };
}

type Timing = Pick<NewSchedule, 'cron_expr' | 'timezone' | 'enabled' | 'overlap'>;

function timing(input: ScheduleInput, present: Timing): Timing & Pick<NewSchedule, 'next_run_at'> {
  const expression = readExpression(input) ?? present.cron_expr;
  const timezone = readTimezone(input) ?? present.timezone;
  const enabled = input.enabled ?? present.enabled;
  return {
    cron_expr: expression,
    timezone,
    enabled,
    overlap: input.overlap ?? present.overlap,
    next_run_at: enabled ? computedNextRun({ expression, timezone }, Date.now()) : null,
  };
}

const nameOf = ({ name }: ScheduleInput): string | undefined => name?.trim() || undefined;

function missing(expression: string | undefined, work: Work | undefined): ApiError {
  const cron = { field: 'cron_expr', message: 'give a cron expression, such as 0 9 * * *' };
  const prompt = { field: 'prompt', message: 'give a prompt, or {"chain":"slug","input":...}' };
  const details = [...(expression === undefined ? [cron] : []), ...(work === undefined ? [prompt] : [])];
  return new ApiError(400, 'cron_expr and prompt are required', { details });
}

/** `input` alone changes what the schedule's chain is given. */
function changedWork({ chain }: Schedule, input: ScheduleInput): Work | undefined {
  if (input.prompt !== undefined || input.chain !== undefined) {
    const work = readWork(input);
    if (work === undefined) throw badRequest('prompt: it must not be empty', 'prompt');
    return work;
  }
  if (input.input === undefined) return undefined;
  if (chain === null) throw badRequest('input: only a chain takes an input; this schedule runs a prompt', 'input');
  checkSize(input.input, 'input');
  return { kind: 'chain', slug: chain.slug, input: input.input, field: 'chain' };
}

type WorkColumns = Pick<NewSchedule, 'prompt' | 'chain_id' | 'chain_input'>;

async function columnsOfWork(db: Database, workspaceId: string, work: Work): Promise<WorkColumns> {
  if (work.kind === 'prompt') return { prompt: work.text, chain_id: null, chain_input: null };
  const { slug, input, field } = work;
  const chain = await findChain(db, { workspaceId, kind: CHAIN_KIND, slug });
  if (chain === undefined) throw badRequest(`${field}: no chain "${slug}" in this workspace`, field);
  if (chain.version_id === null) {
    throw badRequest(`${field}: chain "${slug}" has no version that can run; make it live first`, field);
  }
  return { prompt: chainPrompt(slug, input), chain_id: chain.id, chain_input: input };
}
