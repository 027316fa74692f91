import type { Database } from '../../db/client.js';
import type { RunNews } from '../../db/listen.js';
import type { TemporalGateway } from '../temporal/gateway.js';
import { createBulkService, type BulkService } from './bulk.js';
import { createContinueService, type ContinueService } from './continue-run.js';
import { createDraftCompiler } from './draft-plan.js';
import { createRunCommandService, type RunCommandService } from './run-commands.js';
import { createRunDecisionService, type RunDecisionService } from './run-decisions.js';
import { createRunEventService, type RunEventService } from './run-events.js';
import { createRunReadService } from './run-reads.js';
import { createRunStartService, type RunStartService } from './run-starts.js';
import { createRunStopService, type RunStopService } from './run-stops.js';
import type { RunService } from './runs.js';
import { createWorkflowSessionService, type WorkflowSessionService } from './workflow-sessions.js';
import type { UrlRulesOf } from './egress-lists.js';

/** What can be done to runs. */
export interface RunCommandServices {
  readonly runStarts: RunStartService;
  readonly runCommands: RunCommandService;
  readonly runDecisions: RunDecisionService;
  readonly runStops: RunStopService;
  readonly continueRuns: ContinueService;
  readonly runEvents: RunEventService;
  readonly bulkRuns: BulkService;
  readonly workflowSessions: WorkflowSessionService;
}

export interface RunCommandServiceDeps {
  readonly db: Database;
  readonly temporal: TemporalGateway;
  readonly log: { readonly warn: (fields: object, message: string) => void };
  readonly news: RunNews;
  readonly runs: RunService;
  readonly urlRules: UrlRulesOf;
}

export function createRunCommands(deps: RunCommandServiceDeps): RunCommandServices {
  const { db, temporal, log, news, runs, urlRules } = deps;
  const compileDraft = createDraftCompiler({ db, urlRules });
  const commands = createRunCommandService({ db, runs, temporal });
  const stops = createRunStopService({ db, temporal, log });
  const continuing = createContinueService({ db, runs, compileDraft });
  return {
    runStarts: createRunStartService({ db, runs, news, compileDraft, reads: createRunReadService({ db }) }),
    workflowSessions: createWorkflowSessionService({ db, runs, news, compileDraft, temporal }),
    runCommands: commands,
    runDecisions: createRunDecisionService({ db, runs }),
    runStops: stops,
    continueRuns: continuing,
    runEvents: createRunEventService({ db, runs, temporal, log }),
    bulkRuns: createBulkService({ db, commands, stops, continuing }),
  };
}
