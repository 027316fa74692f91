import type { ActionTool } from '../workflows/definition/agents/action-tool.js';
import type { NamedAgent } from '../workflows/definition/agents/named-agent.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';

/** The agents of these names that were not deleted. */
export async function loadAgents(
  db: Database,
  workspaceId: string,
  names: readonly string[],
): Promise<readonly NamedAgent[]> {
  if (names.length === 0) return [];
  const rows = await scoped(db, workspaceId)
    .select('agents')
    .select(['name', 'display_name', 'description', 'is_active', 'config'])
    .where('name', 'in', names)
    .where('deleted_at', 'is', null)
    .execute();
  return rows.map(({ display_name: displayName, is_active: isActive, ...agent }) => ({
    ...agent,
    displayName,
    isActive,
  }));
}

export async function loadActionTools(
  db: Database,
  workspaceId: string,
  names: readonly string[],
): Promise<readonly ActionTool[]> {
  if (names.length === 0) return [];
  return scoped(db, workspaceId)
    .select('action_tools')
    .select(['name', 'description', 'config'])
    .where('name', 'in', names)
    .where('deleted_at', 'is', null)
    .execute();
}
