import type { Route } from '../http/route.js';
import { accountPageRoutes } from './account-pages.js';
import { actionToolRoutes } from './action-tools.js';
import { agentLoginRoutes } from './agent-login.js';
import { agentRoutes } from './agents.js';
import { agentWorkflowRoutes } from './agent-workflows.js';
import { apiKeyRoutes } from './api-keys.js';
import { approvalRoutes } from './approvals.js';
import { auditRoutes } from './audit.js';
import { authRoutes } from './auth.js';
import { callAnalyticsRoutes } from './call-analytics.js';
import { callStreamRoutes } from './call-streams.js';
import { callRoutes } from './calls.js';
import { chainRoutes } from './chains.js';
import { definitionRoutes } from './definitions.js';
import { ingressRoutes } from './ingress.js';
import { inviteRoutes } from './invites.js';
import { nodeTypeRoutes } from './node-types.js';
import { definitionVersionRoutes } from './definition-versions.js';
import { definitionTestRoutes } from './definition-tests.js';
import { egressRoutes } from './egress.js';
import { eventRoutes } from './events.js';
import { registrationRoutes } from './registration.js';
import { memberRoutes } from './members.js';
import { mfaRoutes } from './mfa.js';
import { orgSecurityRoutes } from './org-security.js';
import { orgTokenRoutes } from './org-tokens.js';
import { deploymentRoutes } from './deployments.js';
import { publicRuntimeRoutes } from './public-runtime.js';
import { runBulkRoutes } from './run-bulk.js';
import { runCommandRoutes } from './run-commands.js';
import { runReadRoutes } from './run-reads.js';
import { runStreamRoutes } from './run-streams.js';
import { runtimeWorkflowRoutes } from './runtime-workflows.js';
import { scheduleRoutes } from './schedules.js';
import { passwordRoutes } from './passwords.js';
import { secretRoutes } from './secrets.js';
import { sessionRoutes } from './user-sessions.js';
import { serviceRunRoutes } from './service-runs.js';
import { serviceAccountRoutes } from './service-accounts.js';
import { signupRequestRoutes } from './signup-requests.js';
import { tenantRoutes } from './tenants.js';
import { socketRoutes } from './sockets.js';
import { ssoRoutes } from './sso.js';
import { tokenRoutes } from './tokens.js';
import { usageRoutes } from './usage.js';
import { webhookDeliveryRoutes } from './webhook-deliveries.js';
import { webhookEndpointRoutes } from './webhook-endpoints.js';
import { workflowRoutes } from './workflows.js';
import { workspaceToolRoutes } from './workspace-tools.js';
import { workspaceRoutes } from './workspaces.js';

/** Every resource's rows. */
export const routes: readonly Route[] = [
  ...authRoutes,
  ...sessionRoutes,
  ...passwordRoutes,
  ...accountPageRoutes,
  ...registrationRoutes,
  ...signupRequestRoutes,
  ...inviteRoutes,
  ...serviceAccountRoutes,
  ...tenantRoutes,
  ...agentLoginRoutes,
  ...mfaRoutes,
  ...apiKeyRoutes,
  ...orgTokenRoutes,
  ...orgSecurityRoutes,
  ...memberRoutes,
  ...workspaceRoutes,
  ...tokenRoutes,
  ...secretRoutes,
  ...auditRoutes,
  ...chainRoutes,
  ...approvalRoutes,
  ...scheduleRoutes,
  ...workflowRoutes,
  ...agentWorkflowRoutes,
  ...runtimeWorkflowRoutes,
  ...definitionRoutes,
  ...nodeTypeRoutes,
  ...definitionVersionRoutes,
  ...definitionTestRoutes,
  ...workspaceToolRoutes,
  ...runCommandRoutes,
  ...runBulkRoutes,
  ...egressRoutes,
  ...eventRoutes,
  ...ingressRoutes,
  ...runReadRoutes,
  ...runStreamRoutes,
  ...serviceRunRoutes,
  ...socketRoutes,
  ...deploymentRoutes,
  ...publicRuntimeRoutes,
  ...ssoRoutes,
  ...usageRoutes,
  ...callRoutes,
  ...callStreamRoutes,
  ...callAnalyticsRoutes,
  ...agentRoutes,
  ...actionToolRoutes,
  ...webhookEndpointRoutes,
  ...webhookDeliveryRoutes,
];
