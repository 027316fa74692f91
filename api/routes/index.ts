import type { Route } from '../http/route.js';
import { approvalRoutes } from './approvals.js';
import { auditRoutes } from './audit.js';
import { authRoutes } from './auth.js';
import { chainRoutes } from './chains.js';
import { definitionRoutes } from './definitions.js';
import { nodeTypeRoutes } from './node-types.js';
import { definitionVersionRoutes } from './definition-versions.js';
import { definitionTestRoutes } from './definition-tests.js';
import { deploymentRoutes } from './deployments.js';
import { eventRoutes } from './events.js';
import { publicRuntimeRoutes } from './public-runtime.js';
import { runBulkRoutes } from './run-bulk.js';
import { runCommandRoutes } from './run-commands.js';
import { runReadRoutes } from './run-reads.js';
import { runStreamRoutes } from './run-streams.js';
import { runtimeWorkflowRoutes } from './runtime-workflows.js';
import { scheduleRoutes } from './schedules.js';
import { secretRoutes } from './secrets.js';
import { ssoRoutes } from './sso.js';
import { tokenRoutes } from './tokens.js';
import { usageRoutes } from './usage.js';
import { workflowRoutes } from './workflows.js';
import { workspaceToolRoutes } from './workspace-tools.js';
import { workspaceRoutes } from './workspaces.js';

/** Every resource's rows. */
export const routes: readonly Route[] = [
  ...authRoutes,
  ...workspaceRoutes,
  ...tokenRoutes,
  ...secretRoutes,
  ...auditRoutes,
  ...chainRoutes,
  ...approvalRoutes,
  ...scheduleRoutes,
  ...workflowRoutes,
  ...runtimeWorkflowRoutes,
  ...definitionRoutes,
  ...nodeTypeRoutes,
  ...definitionVersionRoutes,
  ...definitionTestRoutes,
  ...workspaceToolRoutes,
  ...runCommandRoutes,
  ...runBulkRoutes,
  ...eventRoutes,
  ...runReadRoutes,
  ...runStreamRoutes,
  ...deploymentRoutes,
  ...publicRuntimeRoutes,
  ...ssoRoutes,
  ...usageRoutes,
];
