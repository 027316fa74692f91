import type { Database } from '../../db/client.js';
import { createVault } from '../../db/crypto.js';
import { egressProblem } from '../../db/egress.js';
import type { RunNews } from '../../db/listen.js';
import type { Logger } from '../../db/log.js';
import type { ApiConfig } from '../config.js';
import type { TemporalGateway } from '../temporal/gateway.js';
import { createApprovalService } from './approvals.js';
import { createAuditService } from './audit.js';
import { createAuthService } from './auth.js';
import { createAuthoring } from './create-authoring.js';
import { createChainRunService } from './chain-runs.js';
import { createChainService } from './chains.js';
import { createExplainService } from './explain.js';
import type { Services } from './index.js';
import { createRunCommands } from './create-run-commands.js';
import { createRunReadService } from './run-reads.js';
import { createRunService } from './runs.js';
import { createScheduleService } from './schedules.js';
import { createSecretService } from './secrets.js';
import { createStreamService } from './streams.js';
import { createTokenService } from './tokens.js';
import { createWorkspaceService } from './workspaces.js';

export interface ServiceDeps {
  readonly config: ApiConfig;
  readonly db: Database;
  readonly temporal: TemporalGateway;
  /** News of runs, one connection a process. */
  readonly news: RunNews;
  readonly log: Logger;
}

/** The composition root: every service with what it needs. */
export function createServices({ config, db, temporal, news, log }: ServiceDeps): Services {
  const secrets = { db, vault: createVault(config.masterKey) };
  const rules = { urlProblem: (url: string) => egressProblem(url, config.egressAllow) };
  const audit = createAuditService({ db, masterKey: config.masterKey });
  const runs = createRunService({ db, temporal, log });
  const schedules = createScheduleService({ db, schedules: temporal.schedules, runs: temporal });
  return {
    auth: createAuthService({
      db,
      audit,
      masterKey: config.masterKey,
      signup: config.signup,
      lock: config.lock,
      trustedOrigins: config.corsOrigins.filter((origin) => origin !== '*'),
      onError: (error) => log.warn({ reason: String(error) }, 'a last-used time was not written'),
      ...(config.adminToken === undefined ? {} : { adminToken: config.adminToken }),
    }),
    workspaces: createWorkspaceService(secrets),
    tokens: createTokenService({ db }),
    secrets: createSecretService(secrets),
    audit,
    runs,
    runReads: createRunReadService({ db }),
    explain: createExplainService({ db, temporal }),
    streams: createStreamService({ db, news }),
    chains: createChainService({ db, rules, secrets, schedules }),
    chainRuns: createChainRunService({ db, runs, rules, secrets }),
    approvals: createApprovalService({ db, runs, audit }),
    schedules,
    ...createAuthoring({ db, secrets, schedules, temporal, runs, news, ...rules }),
    ...createRunCommands({ db, temporal, log, news, runs, rules }),
  };
}
