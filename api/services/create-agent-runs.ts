import type { Database } from '../../db/client.js';
import type { RunNews } from '../../db/listen.js';
import type { ApiConfig } from '../config.js';
import type { TemporalGateway } from '../temporal/gateway.js';
import { createAgentWorkflowService, type AgentWorkflowService } from './agent-workflows/service.js';
import { createCalls, type CallServices } from './calls/create-calls.js';
import { createAgents, type AgentServices } from './create-agents.js';
import type { RunCommandServices } from './create-run-commands.js';
import type { UrlRulesOf } from './egress-lists.js';
import type { RunService } from './runs.js';
import { createStaged, type StagedServices } from './staged/create.js';
import type { StreamService } from './streams.js';

export interface AgentRunServices extends AgentServices, CallServices, StagedServices {
  readonly agentWorkflows: AgentWorkflowService;
}

export interface AgentRunDeps {
  readonly config: Pick<ApiConfig, 'publicUrl' | 'port'> & { readonly masterKey: Buffer };
  readonly db: Database;
  readonly news: RunNews;
  readonly streams: StreamService;
  readonly temporal: TemporalGateway;
  readonly runs: RunService;
  readonly runCommands: RunCommandServices;
  readonly urlRules: UrlRulesOf;
}

/** Agents by name, and the calls and staged workflows they work in. */
export function createAgentRuns({ streams, runCommands, ...deps }: AgentRunDeps): AgentRunServices {
  const agents = createAgents(deps);
  const { starters } = agents;
  return {
    ...agents,
    agentWorkflows: createAgentWorkflowService({ ...deps, starters }),
    ...createStaged({ ...deps, stops: runCommands.runStops, starters }),
    ...createCalls({ ...deps, log: streams.log, events: runCommands.runEvents, starters }),
  };
}
