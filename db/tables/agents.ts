import type { Generated } from 'kysely';
import type { ActionToolConfig } from '../../workflows/definition/agents/action-tool.js';
import type { NamedAgentConfig } from '../../workflows/definition/agents/named-agent.js';
import type { Created, Jsonb } from './columns.js';

/** Agents by name, and the tools they call. */
export interface AgentTables {
  agents: {
    id: string;
    workspace_id: string;
    /** Unique among those that are not deleted. */
    name: string;
    display_name: string;
    description: Generated<string>;
    is_active: Generated<boolean>;
    config: Jsonb<NamedAgentConfig>;
    created_by: string;
    created_at: Created;
    updated_at: Created;
    deleted_at: Date | null;
  };
  action_tools: {
    id: string;
    workspace_id: string;
    /** Unique among those that are not deleted. */
    name: string;
    description: Generated<string>;
    config: Jsonb<ActionToolConfig>;
    created_by: string;
    created_at: Created;
    updated_at: Created;
    deleted_at: Date | null;
  };
}
