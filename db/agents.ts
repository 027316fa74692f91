import type { ActionTool } from '../workflows/definition/agents/action-tool.js';
import { AgentDefaults, effectiveConfig, type TenantAgentDefaults } from '../workflows/definition/agents/effective.js';
import type { NamedAgent } from '../workflows/definition/agents/named-agent.js';
import type { Json } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';

/** The agents of these names that were not deleted, with what they take from their organisation filled in. */
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
  if (rows.length === 0) return [];
  const { defaults } = await tenantOfAgents(db, workspaceId);
  return rows.map(({ display_name: displayName, is_active: isActive, config, ...agent }) => ({
    ...agent,
    displayName,
    isActive,
    config: effectiveConfig(config, defaults),
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

/** What an organisation's settings say to its agents and their tools. */
export interface TenantOfAgents {
  readonly defaults: TenantAgentDefaults;
  /** Names of its endpoints. */
  readonly endpoints: ReadonlySet<string>;
}

export async function tenantOfAgents(db: Database, workspaceId: string): Promise<TenantOfAgents> {
  const row = await db
    .selectFrom('workspaces')
    .innerJoin('tenants', 'tenants.id', 'workspaces.tenant_id')
    .select('tenants.settings')
    .where('workspaces.id', '=', workspaceId)
    .executeTakeFirst();
  const { agent_defaults, default_language: language, supported_languages, endpoints } = row?.settings ?? {};
  const blocks = AgentDefaults.safeParse(agent_defaults ?? {});
  const languages = textsIn(supported_languages);
  return {
    defaults: {
      ...(blocks.success ? blocks.data : {}),
      ...(typeof language === 'string' ? { default_language: language } : {}),
      ...(languages.length > 0 ? { languages } : {}),
    },
    endpoints: new Set(keysOf(endpoints)),
  };
}

const textsIn = (value: Json | undefined): readonly string[] =>
  Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];

const keysOf = (value: Json | undefined): readonly string[] =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
