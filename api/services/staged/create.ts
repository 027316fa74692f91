import type { Database } from '../../../db/client.js';
import type { RunNews } from '../../../db/listen.js';
import { createDraftCompiler } from '../draft-plan.js';
import type { UrlRulesOf } from '../egress-lists.js';
import type { RunStopService } from '../run-stops.js';
import type { RunService } from '../runs.js';
import type { StarterService } from '../starters.js';
import { createStreamService } from '../streams.js';
import { createStagedRunService, type StagedRunService } from './runs.js';

export interface StagedServices {
  readonly stagedRuns: StagedRunService;
}

export interface StagedServiceDeps {
  readonly db: Database;
  readonly news: RunNews;
  readonly runs: RunService;
  readonly stops: RunStopService;
  readonly urlRules: UrlRulesOf;
  readonly starters: StarterService;
}

export function createStaged({ db, news, runs, stops, urlRules, starters }: StagedServiceDeps): StagedServices {
  const streams = createStreamService({ db, news });
  const compileDraft = createDraftCompiler({ db, urlRules });
  return { stagedRuns: createStagedRunService({ db, news, runs, stops, streams, compileDraft, starters }) };
}
