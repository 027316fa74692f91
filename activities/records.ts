import { ApplicationFailure } from '@temporalio/activity';
import type { Database } from '../db/client.js';
import { writeEnd, writeFlush } from '../db/run-records.js';
import { planOfVersion } from '../db/runs.js';
import { insertWait } from '../db/waits.js';
import { presentValue } from '../db/values.js';
import type { OpenedWait, OpenWaitInput, RunActivities, SegmentFailure } from '../workflows/contract/activities.js';
import { Failure } from '../workflows/contract/failures.js';
import { visitKey } from '../workflows/contract/ids.js';
import { readCron } from '../workflows/definition/cron.js';
import { cronTimes } from '../workflows/definition/cron-times.js';

type RecordActivities = Pick<
  RunActivities,
  'openWait' | 'recordTransitions' | 'finishRun' | 'loadPlan' | 'nextCronTime'
>;

export interface RecordDeps {
  readonly db: Database;
  /** Tells whoever should decide; called at least once a request, each time with the same id. */
  readonly announce: (approval: ApprovalNotice) => Promise<void>;
}

export interface ApprovalNotice {
  readonly id: string;
  readonly workspaceId: string;
  readonly runId: string;
  readonly prompt: string;
  readonly assignee: string | null;
}

/** The activities that keep the read model. */
export function createRecordActivities(deps: RecordDeps): RecordActivities {
  const { db } = deps;
  return {
    openWait: (input) => openWait(deps, input),
    recordTransitions: ({ run, flush }) => writeFlush(db, run, flush),
    finishRun: ({ run, flush, end }) => writeEnd(db, run, { flush, end }),
    loadPlan: ({ run, versionId }) => planOfVersion(db, run.workspaceId, versionId),
    nextCronTime: async ({ cron, timezone, after }) => {
      const read = readCron(cron);
      const next = 'problem' in read ? null : cronTimes({ expression: read.expression, timezone }).next(after);
      if (next === null) throw neverComes(cron);
      return next;
    },
  };
}

function neverComes(cron: string): ApplicationFailure {
  const error = { type: 'config_invalid', message: `The cron expression "${cron}" names no time that comes.` };
  const details: SegmentFailure = { outputs: [], error };
  return ApplicationFailure.nonRetryable(error.message, Failure.nodeFailed, details);
}

async function openWait(
  { db, announce }: RecordDeps,
  { run, node, wait, input, flush }: OpenWaitInput,
): Promise<OpenedWait> {
  if (node.kind !== 'approval') throw new TypeError(`${node.kind} is not decided by people`);
  const { prompt, reason, assignee, context } = node.config;
  await insertWait(db, {
    ...wait,
    key: visitKey(wait),
    run,
    prompt,
    reason: reason ?? null,
    assignee: assignee ?? null,
    context: context ?? (await presentValue(db, run.workspaceId, input)),
    expiresAt: wait.deadline,
  });
  await writeFlush(db, run, flush);
  const { workspaceId, runId } = run;
  await announce({ id: wait.token, workspaceId, runId, prompt, assignee: assignee ?? null });
  return {};
}
