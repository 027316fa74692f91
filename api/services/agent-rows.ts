import { sql } from 'kysely';
import type { Database } from '../../db/client.js';
import { scoped } from '../../db/scoped.js';
import type { NamedAgentConfig } from '../../workflows/definition/agents/named-agent.js';
import { notFound } from '../http/errors.js';
import type { Page } from '../http/schemas.js';
import { likeText } from './definition-rows.js';

/** `error`: it is to work but names a tool that is gone. */
export type AgentState = 'active' | 'inactive' | 'error';

export interface AgentItem {
  readonly id: string;
  readonly name: string;
  readonly display_name: string;
  readonly description: string;
  readonly is_active: boolean;
  readonly status: AgentState;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface AgentRow extends AgentItem {
  readonly config: NamedAgentConfig;
}

export interface AgentQuery extends Page {
  readonly is_active?: boolean | undefined;
  /** Part of a name or description. */
  readonly search?: string | undefined;
}

const live = (db: Database, workspaceId: string) =>
  scoped(db, workspaceId).select('agents').where('agents.deleted_at', 'is', null);

const state = sql<AgentState>`case when not agents.is_active then 'inactive'
  when exists (select from jsonb_array_elements_text(agents.config->'tools') as named(tool) where not exists (
    select from action_tools where action_tools.workspace_id = agents.workspace_id
      and action_tools.name = named.tool and action_tools.deleted_at is null)) then 'error'
  else 'active' end`;

const item = [
  'agents.id',
  'agents.name',
  'agents.display_name',
  'agents.description',
  'agents.is_active',
  'agents.created_at',
  'agents.updated_at',
] as const;

/** By name. */
export async function pageOfAgents(
  db: Database,
  workspaceId: string,
  { limit, offset, is_active: isActive, search }: AgentQuery,
): Promise<{ readonly items: readonly AgentItem[]; readonly total: number }> {
  let found = live(db, workspaceId);
  if (isActive !== undefined) found = found.where('agents.is_active', '=', isActive);
  if (search !== undefined) {
    const part = `%${likeText(search)}%`;
    found = found.where((eb) =>
      eb.or((['name', 'display_name', 'description'] as const).map((column) => eb(`agents.${column}`, 'ilike', part))),
    );
  }
  const items = await found
    .select(item)
    .select(state.as('status'))
    .orderBy('agents.name')
    .limit(limit)
    .offset(offset)
    .execute();
  const { total } = await found.select((eb) => eb.fn.countAll<string>().as('total')).executeTakeFirstOrThrow();
  return { items, total: Number(total) };
}

export async function findAgent(db: Database, workspaceId: string, name: string): Promise<AgentRow> {
  const row = await live(db, workspaceId)
    .select([...item, 'agents.config'])
    .select(state.as('status'))
    .where('agents.name', '=', name)
    .executeTakeFirst();
  if (row === undefined) throw notFound('agent', name);
  return row;
}

/** Keeps others from changing it until the transaction ends. */
export async function lockAgent(trx: Database, workspaceId: string, name: string): Promise<Omit<AgentRow, 'status'>> {
  const row = await live(trx, workspaceId)
    .select([...item, 'agents.config'])
    .where('agents.name', '=', name)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined) throw notFound('agent', name);
  return row;
}

/** Those of these tools that exist; none of them goes until the transaction ends. */
export async function holdTools(
  trx: Database,
  workspaceId: string,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  const rows = await scoped(trx, workspaceId)
    .select('action_tools')
    .select('name')
    .where('name', 'in', [...new Set(names)])
    .where('deleted_at', 'is', null)
    .orderBy('name')
    .forShare()
    .execute();
  return new Set(rows.map(({ name }) => name));
}

/** The kinds of definitions that name agents, and the keys they name them by. */
const usingKinds = ['agent_dag', 'staged'];
const namesAgent = '$.** ? (@.agent_name == $name || @.agent_key == $name || @.agent == $name)';

/** Slugs of the workflows that would miss the agent: paused ones start no run. */
export async function workflowsWith(db: Database, workspaceId: string, name: string): Promise<readonly string[]> {
  const rows = await scoped(db, workspaceId)
    .select('definitions')
    .select('slug')
    .where('kind', 'in', usingKinds)
    .where('deleted_at', 'is', null)
    .where('status', '<>', 'paused')
    .where(sql<boolean>`jsonb_path_exists(document, ${namesAgent}, ${JSON.stringify({ name })}::jsonb)`)
    .orderBy('slug')
    .execute();
  return rows.map(({ slug }) => slug);
}

export interface AgentUse {
  readonly last_used: Date | null;
  readonly total_conversations: number;
}

/** From the steps of runs whose plans give the agent a turn. */
export async function useOfAgent(db: Database, workspaceId: string, name: string): Promise<AgentUse> {
  const { rows } = await sql<{ last_used: Date | null; total: number }>`
    with turns as (
      select versions.id as version_id, versions.definition_id, nodes.key as node_id
      from versions join definitions on definitions.id = versions.definition_id,
        jsonb_each(versions.plan->'nodes') as nodes
      where versions.workspace_id = ${workspaceId} and definitions.kind = any(${usingKinds})
        and nodes.value->>'kind' = 'agent_turn' and nodes.value->'config'->>'agent' = ${name}
    )
    select max(run_steps.started_at) as last_used,
      count(distinct coalesce(runs.conversation_id, runs.id))::int as total
    from turns join runs on runs.definition_id = turns.definition_id and runs.version_id = turns.version_id
        and runs.workspace_id = ${workspaceId}
      join run_steps on run_steps.run_id = runs.id and run_steps.node_id = turns.node_id`.execute(db);
  const [row] = rows;
  return { last_used: row?.last_used ?? null, total_conversations: row?.total ?? 0 };
}
