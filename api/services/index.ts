import type { WorkspaceService } from './workspaces.js';
import type { TokenService } from './tokens.js';
import type { SecretService } from './secrets.js';
import type { AuditService } from './audit.js';
import type { ChainService } from './chains.js';
import type { ChainRunService } from './chain-runs.js';
import type { ExplainService } from './explain.js';
import type { RunReadService } from './run-reads.js';
import type { RunService } from './runs.js';
import type { StreamService } from './streams.js';
import type { ApprovalService } from './approvals.js';
import type { EgressListService } from './egress-lists.js';
import type { DefinitionService } from './definitions.js';
import type { TestService } from './definitions-test.js';
import type { PublishService } from './publish.js';
import type { PreviewPublish } from './publish-preview.js';
import type { WorkflowService } from './workflows.js';
import type { WorkspaceToolService } from './workspace-tools.js';
import type { ScheduleService } from './schedules.js';
import type { IdentityServices } from './create-identity.js';
import type { UsageService } from './usage.js';
import type { RunCommandServices } from './create-run-commands.js';
import type { AgentRunServices } from './create-agent-runs.js';
import type { HookServices } from './create-hooks.js';
import type { EmbedServices } from './create-embed.js';

/** The rules behind the routes; each is made by `createX(deps)` in its own file. */
export interface Services extends RunCommandServices, IdentityServices, EmbedServices, AgentRunServices, HookServices {
  readonly workspaces: WorkspaceService;
  readonly tokens: TokenService;
  readonly secrets: SecretService;
  readonly audit: AuditService;
  readonly egressLists: EgressListService;
  readonly chains: ChainService;
  readonly chainRuns: ChainRunService;
  readonly runs: RunService;
  readonly runReads: RunReadService;
  readonly explain: ExplainService;
  readonly streams: StreamService;
  readonly approvals: ApprovalService;
  readonly schedules: ScheduleService;
  readonly definitions: DefinitionService;
  readonly publishing: PublishService;
  readonly previewPublish: PreviewPublish;
  readonly workflows: WorkflowService;
  readonly tools: WorkspaceToolService;
  readonly tests: TestService;
  readonly usage: UsageService;
}
