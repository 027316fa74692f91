import { sql } from 'kysely';
import type { Database } from '../../db/client.js';
import { scoped } from '../../db/scoped.js';
import type { ActionToolConfig } from '../../workflows/definition/agents/action-tool.js';
import { notFound } from '../http/errors.js';
import type { Page } from '../http/schemas.js';
import { likeText } from './definition-rows.js';

export const toolCategories = ['integration', 'handoff', 'call', 'context', 'response'] as const;
/** By the weightiest of its actions. */
export type ToolCategory = (typeof toolCategories)[number];

export interface ActionToolRow {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly config: ActionToolConfig;
  readonly category: ToolCategory;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface ActionToolQuery extends Page {
  /** Part of a name or description. */
  readonly search?: string | undefined;
}

const live = (db: Database, workspaceId: string) =>
  scoped(db, workspaceId).select('action_tools').where('action_tools.deleted_at', 'is', null);

const has = (types: string) => sql`jsonb_path_exists(config, ${`$.*[*].** ? (${types})`}::jsonpath)`;
const category = sql<ToolCategory>`case
  when ${has('@.type == "webhook" || @.type == "api_call"')} then 'integration'
  when ${has('@.type == "handoff"')} then 'handoff'
  when ${has('@.type == "end_call" || @.type == "wait"')} then 'call'
  when ${has('@.type starts with "context." || @.type starts with "flag."')} then 'context'
  else 'response' end`;

const columns = ['id', 'name', 'description', 'config', 'created_at', 'updated_at'] as const;

/** By name. */
export async function pageOfTools(
  db: Database,
  workspaceId: string,
  { limit, offset, search }: ActionToolQuery,
): Promise<{ readonly items: readonly ActionToolRow[]; readonly total: number }> {
  let found = live(db, workspaceId);
  if (search !== undefined) {
    const part = `%${likeText(search)}%`;
    found = found.where((eb) => eb.or([eb('name', 'ilike', part), eb('description', 'ilike', part)]));
  }
  const items = await found
    .select(columns)
    .select(category.as('category'))
    .orderBy('name')
    .limit(limit)
    .offset(offset)
    .execute();
  const { total } = await found.select((eb) => eb.fn.countAll<string>().as('total')).executeTakeFirstOrThrow();
  return { items, total: Number(total) };
}

/** Of all tools, by name. */
export const allTools = (
  db: Database,
  workspaceId: string,
): Promise<readonly { readonly name: string; readonly category: ToolCategory }[]> =>
  live(db, workspaceId).select('name').select(category.as('category')).orderBy('name').execute();

export async function findTool(db: Database, workspaceId: string, name: string): Promise<ActionToolRow> {
  const row = await live(db, workspaceId)
    .select(columns)
    .select(category.as('category'))
    .where('name', '=', name)
    .executeTakeFirst();
  if (row === undefined) throw notFound('tool', name);
  return row;
}

/** Keeps others from changing it, and agents from naming it, until the transaction ends. */
export async function lockTool(
  trx: Database,
  workspaceId: string,
  name: string,
): Promise<Omit<ActionToolRow, 'category'>> {
  const row = await live(trx, workspaceId).select(columns).where('name', '=', name).forUpdate().executeTakeFirst();
  if (row === undefined) throw notFound('tool', name);
  return row;
}

export async function agentsWith(db: Database, workspaceId: string, tool: string): Promise<readonly string[]> {
  const rows = await scoped(db, workspaceId)
    .select('agents')
    .select('name')
    .where('deleted_at', 'is', null)
    .where(sql<boolean>`config->'tools' @> ${JSON.stringify([tool])}::jsonb`)
    .orderBy('name')
    .execute();
  return rows.map(({ name }) => name);
}
