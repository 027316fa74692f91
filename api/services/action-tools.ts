import { tenantOfAgents } from '../../db/agents.js';
import type { Database } from '../../db/client.js';
import { derivedId } from '../../db/ids.js';
import { scoped } from '../../db/scoped.js';
import { ActionToolConfig } from '../../workflows/definition/agents/action-tool.js';
import { toolProblems, type ToolSurroundings } from '../../workflows/definition/agents/tool-problems.js';
import type { Json } from '../../workflows/definition/values.js';
import type { Actor } from '../actor.js';
import { conflict, type ErrorDetail } from '../http/errors.js';
import { actingWorkspace } from './acting-workspace.js';
import {
  configOf,
  listNames,
  outsideOf,
  type ActionToolChange,
  type ActionToolReplacement,
  type NewActionTool,
} from './action-tool-input.js';
import {
  agentsWith,
  allTools,
  findTool,
  lockTool,
  pageOfTools,
  toolCategories,
  type ActionToolQuery,
  type ActionToolRow,
} from './action-tool-rows.js';
import { detailOf, mergedConfig, refuseProblems, refuseRename } from './config-checks.js';
import type { UrlRulesOf } from './egress-lists.js';
import type { StarterService } from './starters.js';
import { takenName } from './taken-name.js';
import { literalUrlProblem } from './workspace-tool-input.js';

/** The lists of the configuration stand beside it too, where older clients look for them. */
export interface ActionToolView extends ActionToolRow, ActionToolConfig {}

export interface ActionToolPage {
  readonly items: readonly ActionToolRow[];
  readonly total: number;
  /** Of all tools, whatever the page shows. */
  readonly total_tools: number;
  readonly tool_names: readonly string[];
  readonly categories: Readonly<Record<string, readonly string[]>>;
}

/** Tools by name: lists of actions that agents' models call. */
export interface ActionToolService {
  readonly list: (actor: Actor, query: ActionToolQuery) => Promise<ActionToolPage>;
  readonly get: (actor: Actor, name: string) => Promise<ActionToolView>;
  readonly create: (actor: Actor, tool: NewActionTool, seed: string) => Promise<ActionToolView>;
  /** Merges the configuration. */
  readonly change: (actor: Actor, name: string, change: ActionToolChange) => Promise<ActionToolView>;
  readonly replace: (actor: Actor, name: string, tool: ActionToolReplacement) => Promise<ActionToolView>;
  /** 409 while an agent names it. */
  readonly remove: (actor: Actor, name: string) => Promise<void>;
}

export interface ActionToolDeps {
  readonly db: Database;
  readonly starters: StarterService;
  readonly urlRules: UrlRulesOf;
}

export function createActionToolService(deps: ActionToolDeps): ActionToolService {
  const { db, starters } = deps;
  const enter = async (actor: Actor): Promise<string> => {
    const workspaceId = actingWorkspace(actor);
    await starters.ensure(workspaceId);
    return workspaceId;
  };
  return {
    list: async (actor, query) => listTools(db, await enter(actor), query),
    get: async (actor, name) => viewOf(await findTool(db, await enter(actor), name)),
    create: async (actor, tool, seed) => {
      const workspaceId = await enter(actor);
      await createTool(deps, { workspaceId, tool, seed, by: actor.id });
      return viewOf(await findTool(db, workspaceId, tool.name));
    },
    change: async (actor, name, change) =>
      writeTool(deps, { workspaceId: await enter(actor), name, body: change }, (present) => ({
        description: change.description === undefined ? present.description : (change.description ?? ''),
        config: mergedInto(present.config, change),
      })),
    replace: async (actor, name, tool) =>
      writeTool(deps, { workspaceId: await enter(actor), name, body: tool }, () => columnsOf(tool)),
    remove: async (actor, name) => removeTool(db, await enter(actor), name),
  };
}

const viewOf = (tool: ActionToolRow): ActionToolView => ({ ...tool, ...tool.config });

async function listTools(db: Database, workspaceId: string, query: ActionToolQuery): Promise<ActionToolPage> {
  const page = await pageOfTools(db, workspaceId, query);
  const all = await allTools(db, workspaceId);
  const categories = toolCategories.flatMap((category) => {
    const names = all.filter((tool) => tool.category === category).map(({ name }) => name);
    return names.length === 0 ? [] : [[category, names] as const];
  });
  return {
    ...page,
    total_tools: all.length,
    tool_names: all.map(({ name }) => name),
    categories: Object.fromEntries(categories),
  };
}

type Body = ActionToolReplacement | ActionToolChange;
type Columns = Pick<ActionToolRow, 'description' | 'config'>;

const columnsOf = (tool: ActionToolReplacement): Columns => ({
  description: tool.description ?? '',
  config: configOf(tool),
});

/** What a change says of the configuration, whichever way. */
const mergeOf = (change: ActionToolChange): Readonly<Record<string, Json>> => ({
  ...change.config,
  // -- reason: what the schema read from JSON is JSON again
  ...(Object.fromEntries([...outsideOf(change)].map((key) => [key, change[key]])) as Readonly<Record<string, Json>>),
});

function mergedInto(present: ActionToolConfig, change: ActionToolChange): ActionToolConfig {
  const merge = mergeOf(change);
  return Object.keys(merge).length === 0 ? present : mergedConfig(ActionToolConfig, present, merge);
}

async function surroundingsOf({ db, urlRules }: ActionToolDeps, workspaceId: string): Promise<ToolSurroundings> {
  const { urlProblem } = await urlRules(workspaceId);
  const { endpoints } = await tenantOfAgents(db, workspaceId);
  return { urlProblem: (url) => literalUrlProblem(url, urlProblem), endpoints };
}

function check(body: Body, { config }: Columns, around: ToolSurroundings): void {
  const outside = outsideOf(body);
  const twice = listNames
    .filter((key) => outside.has(key) && body.config?.[key] !== undefined)
    .map((key): ErrorDetail => ({ field: key, message: `stands in config.${key} too: give it once` }));
  refuseProblems([...twice, ...toolProblems(config, around).map(detailOf(outside))]);
}

const stored = ({ description, config }: Columns) => ({ description, config: JSON.stringify(config) });

interface Making {
  readonly workspaceId: string;
  readonly tool: NewActionTool;
  readonly seed: string;
  readonly by: string;
}

async function createTool(deps: ActionToolDeps, { workspaceId, tool, seed, by }: Making): Promise<void> {
  const columns = columnsOf(tool);
  check(tool, columns, await surroundingsOf(deps, workspaceId));
  const { name } = tool;
  await scoped(deps.db, workspaceId)
    .insert('action_tools', { id: derivedId('atl', seed), name, ...stored(columns), created_by: by })
    .onConflict((on) => on.column('id').doNothing())
    .execute()
    .catch(takenName(`name: a tool called "${name}" exists; choose another name, or PATCH that one.`));
}

interface Writing {
  readonly workspaceId: string;
  readonly name: string;
  readonly body: Body;
}

async function writeTool(
  deps: ActionToolDeps,
  { workspaceId, name, body }: Writing,
  next: (present: Omit<ActionToolRow, 'category'>) => Columns,
): Promise<ActionToolView> {
  const around = await surroundingsOf(deps, workspaceId);
  await deps.db.transaction().execute(async (trx) => {
    const present = await lockTool(trx, workspaceId, name);
    refuseRename('tool', name, body.name);
    const columns = next(present);
    if (columns.config !== present.config) check(body, columns, around);
    await scoped(trx, workspaceId)
      .update('action_tools', present.id)
      .set({ ...stored(columns), updated_at: new Date() })
      .execute();
  });
  return viewOf(await findTool(deps.db, workspaceId, name));
}

async function removeTool(db: Database, workspaceId: string, name: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const { id } = await lockTool(trx, workspaceId, name);
    const agents = await agentsWith(trx, workspaceId, name);
    if (agents.length > 0) {
      const names = agents.map((agent) => `"${agent}"`).join(', ');
      throw conflict(`The tool "${name}" is used by ${names}: take it from them first.`, { agents });
    }
    await scoped(trx, workspaceId).update('action_tools', id).set({ deleted_at: new Date() }).execute();
  });
}
