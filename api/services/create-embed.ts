import type { Database } from '../../db/client.js';
import { createDeploymentService, type DeploymentService } from './deployments.js';
import { createPublicSessionService, type PublicSessionService } from './public-sessions.js';
import type { WorkflowSessionService } from './workflow-sessions.js';

/** Pages that talk to what is published. */
export interface EmbedServices {
  readonly deployments: DeploymentService;
  readonly publicSessions: PublicSessionService;
}

export const createEmbed = ({
  db,
  sessions,
}: {
  readonly db: Database;
  readonly sessions: WorkflowSessionService;
}): EmbedServices => ({
  deployments: createDeploymentService({ db }),
  publicSessions: createPublicSessionService({ db, sessions }),
});
