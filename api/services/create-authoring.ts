import { createDefinitionService } from './definitions.js';
import { createTestService, type TestDeps } from './definitions-test.js';
import type { Services } from './index.js';
import { createMoveRuns } from './publish-move.js';
import { createPreview } from './publish-preview.js';
import { createPublishService, type PublishDeps } from './publish.js';
import type { RunService } from './runs.js';
import { createWorkflowService } from './workflows.js';
import { createWorkspaceToolService } from './workspace-tools.js';
import type { TemporalGateway } from '../temporal/gateway.js';

export interface AuthoringDeps extends Omit<PublishDeps, 'moveRuns'>, Omit<TestDeps, 'runs'> {
  readonly runs: RunService;
  readonly temporal: Pick<TemporalGateway, 'moveVersion'>;
}

/** Everything about definitions: writing them, publishing them, and what they use. */
export const createAuthoring = (
  deps: AuthoringDeps,
): Pick<Services, 'definitions' | 'publishing' | 'previewPublish' | 'workflows' | 'tools' | 'tests'> => ({
  definitions: createDefinitionService(deps),
  publishing: createPublishService({ ...deps, moveRuns: createMoveRuns(deps) }),
  previewPublish: createPreview(deps),
  workflows: createWorkflowService(deps),
  tests: createTestService(deps),
  tools: createWorkspaceToolService(deps),
});
