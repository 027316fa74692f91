import { createActionToolService, type ActionToolService } from './action-tools.js';
import { createNamedAgentService, type NamedAgentService } from './named-agents.js';
import { createStarterService, type StarterDeps, type StarterService } from './starters.js';

/** Agents and tools by name. */
export interface AgentServices {
  readonly namedAgents: NamedAgentService;
  readonly actionTools: ActionToolService;
  readonly starters: StarterService;
}

export function createAgents({ db, urlRules }: Pick<StarterDeps, 'db' | 'urlRules'>): AgentServices {
  const starters = createStarterService({ db, urlRules });
  return {
    namedAgents: createNamedAgentService({ db, starters }),
    actionTools: createActionToolService({ db, starters, urlRules }),
    starters,
  };
}
