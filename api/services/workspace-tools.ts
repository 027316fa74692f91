import { derivedId } from '../../db/ids.js';
import { scoped } from '../../db/scoped.js';
import type { Database } from '../../db/client.js';
import type { Json } from '../../workflows/definition/values.js';
import { invalid, notFound } from '../http/errors.js';
import type { Page } from '../http/schemas.js';
import { changedTool, toolColumns, toolProblems, type NewTool, type ToolChange } from './workspace-tool-input.js';
import type { UrlRulesOf } from './egress-lists.js';
import { takenName } from './taken-name.js';

export interface ToolView {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Json;
  readonly parameters: Json;
  readonly outputs: Readonly<Record<string, string>>;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface ToolKey {
  readonly workspaceId: string;
  readonly toolId: string;
}

/** HTTP calls with a name. Secrets stand in them by name only, so they can be shown. */
export interface WorkspaceToolService {
  readonly list: (
    workspaceId: string,
    page: Page,
  ) => Promise<{ readonly items: readonly ToolView[]; readonly total: number }>;
  readonly get: (key: ToolKey) => Promise<ToolView>;
  readonly create: (tool: {
    readonly workspaceId: string;
    readonly seed: string;
    readonly input: NewTool;
  }) => Promise<ToolView>;
  readonly change: (key: ToolKey, change: ToolChange) => Promise<ToolView>;
  readonly remove: (key: ToolKey) => Promise<void>;
}

export interface WorkspaceToolDeps {
  readonly db: Database;
  readonly urlRules: UrlRulesOf;
}

export function createWorkspaceToolService(deps: WorkspaceToolDeps): WorkspaceToolService {
  const { db } = deps;
  return {
    list: (workspaceId, page) => listTools(db, workspaceId, page),
    get: (key) => getTool(db, key),
    create: async ({ workspaceId, seed, input }) => {
      await refuseProblems(workspaceId, input, deps);
      const key = { workspaceId, toolId: derivedId('tool', seed) };
      const made = scoped(db, workspaceId).insert('workspace_tools', { id: key.toolId, ...toolColumns(input) });
      await made
        .onConflict((on) => on.column('id').doNothing())
        .execute()
        .catch(takenName(taken(input.name)));
      return getTool(db, key);
    },
    change: async (key, change) => {
      const present = await getTool(db, key);
      // -- reason: the table's columns are those of `NewTool`, checked when they were written
      const tool = changedTool(toolOf(present) as NewTool, change);
      await refuseProblems(key.workspaceId, tool, deps);
      const columns = { ...toolColumns(tool), updated_at: new Date() };
      const update = scoped(db, key.workspaceId).update('workspace_tools', key.toolId).set(columns);
      await update.execute().catch(takenName(taken(tool.name)));
      return getTool(db, key);
    },
    remove: async ({ workspaceId, toolId }) => {
      const gone = await scoped(db, workspaceId).delete('workspace_tools', toolId).executeTakeFirst();
      if (gone.numDeletedRows === 0n) throw notFound('tool', toolId);
    },
  };
}

const toolOf = ({ id: _id, created_at: _created, updated_at: _updated, ...tool }: ToolView): object => tool;

async function refuseProblems(workspaceId: string, tool: NewTool, { urlRules }: WorkspaceToolDeps): Promise<void> {
  const { urlProblem } = await urlRules(workspaceId);
  const problems = toolProblems(tool, urlProblem);
  if (problems.length > 0) throw invalid(problems);
}

const taken = (name: string): string => `name: a tool called "${name}" exists; choose another name, or PATCH that one.`;

const columns = [
  'id',
  'name',
  'description',
  'method',
  'url',
  'headers',
  'body',
  'parameters',
  'outputs',
  'created_at',
  'updated_at',
] as const;

async function listTools(
  db: Database,
  workspaceId: string,
  { limit, offset }: Page,
): Promise<{ readonly items: readonly ToolView[]; readonly total: number }> {
  const tools = scoped(db, workspaceId).select('workspace_tools');
  const items = await tools.select(columns).orderBy('name').limit(limit).offset(offset).execute();
  const { total } = await tools.select((eb) => eb.fn.countAll<string>().as('total')).executeTakeFirstOrThrow();
  return { items, total: Number(total) };
}

async function getTool(db: Database, { workspaceId, toolId }: ToolKey): Promise<ToolView> {
  const tools = scoped(db, workspaceId).select('workspace_tools');
  const tool = await tools.select(columns).where('id', '=', toolId).executeTakeFirst();
  if (tool === undefined) throw notFound('tool', toolId);
  return tool;
}
