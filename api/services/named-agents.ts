import { tenantOfAgents } from '../../db/agents.js';
import type { Database } from '../../db/client.js';
import { derivedId } from '../../db/ids.js';
import { scoped } from '../../db/scoped.js';
import { agentProblems } from '../../workflows/definition/agents/agent-problems.js';
import { effectiveConfig, hasDefaults } from '../../workflows/definition/agents/effective.js';
import { NamedAgentConfig } from '../../workflows/definition/agents/named-agent.js';
import type { Actor } from '../actor.js';
import { conflict } from '../http/errors.js';
import { actingWorkspace } from './acting-workspace.js';
import type { AgentChange, AgentReplacement, NewAgent } from './agent-input.js';
import {
  findAgent,
  holdTools,
  lockAgent,
  pageOfAgents,
  useOfAgent,
  workflowsWith,
  type AgentItem,
  type AgentQuery,
  type AgentRow,
  type AgentState,
  type AgentUse,
} from './agent-rows.js';
import { detailOf, mergedConfig, refuseProblems, refuseRename } from './config-checks.js';
import type { StarterService } from './starters.js';
import { takenName } from './taken-name.js';

export interface AgentView extends AgentRow {
  /** The configuration with what it takes from the organisation, where that settled anything. */
  readonly effective?: NamedAgentConfig;
}

export interface AgentStatus extends AgentUse {
  readonly name: string;
  readonly status: AgentState;
}

/** Agents by name: who speaks in calls and works in staged workflows. */
export interface NamedAgentService {
  readonly list: (
    actor: Actor,
    query: AgentQuery,
  ) => Promise<{ readonly items: readonly AgentItem[]; readonly total: number }>;
  readonly get: (actor: Actor, name: string) => Promise<AgentView>;
  readonly create: (actor: Actor, agent: NewAgent, seed: string) => Promise<AgentView>;
  /** Merges the configuration. */
  readonly change: (actor: Actor, name: string, change: AgentChange) => Promise<AgentView>;
  readonly replace: (actor: Actor, name: string, agent: AgentReplacement) => Promise<AgentView>;
  /** 409 while an active workflow names it. */
  readonly remove: (actor: Actor, name: string) => Promise<void>;
  readonly status: (actor: Actor, name: string) => Promise<AgentStatus>;
}

export interface NamedAgentDeps {
  readonly db: Database;
  readonly starters: StarterService;
}

export function createNamedAgentService({ db, starters }: NamedAgentDeps): NamedAgentService {
  const enter = async (actor: Actor): Promise<string> => {
    const workspaceId = actingWorkspace(actor);
    await starters.ensure(workspaceId);
    return workspaceId;
  };
  return {
    list: async (actor, query) => pageOfAgents(db, await enter(actor), query),
    get: async (actor, name) => viewOf(db, await enter(actor), name),
    create: async (actor, agent, seed) => {
      const workspaceId = await enter(actor);
      await createAgent(db, { workspaceId, agent, seed, by: actor.id });
      return viewOf(db, workspaceId, agent.name);
    },
    change: async (actor, name, change) =>
      writeAgent(db, { workspaceId: await enter(actor), name, asked: change.name }, (present) =>
        changed(present, change),
      ),
    replace: async (actor, name, agent) =>
      writeAgent(db, { workspaceId: await enter(actor), name, asked: agent.name }, () => columnsOf({ ...agent, name })),
    remove: async (actor, name) => removeAgent(db, await enter(actor), name),
    status: async (actor, name) => {
      const workspaceId = await enter(actor);
      const { status } = await findAgent(db, workspaceId, name);
      return { name, status, ...(await useOfAgent(db, workspaceId, name)) };
    },
  };
}

async function viewOf(db: Database, workspaceId: string, name: string): Promise<AgentView> {
  const agent = await findAgent(db, workspaceId, name);
  const { defaults } = await tenantOfAgents(db, workspaceId);
  return hasDefaults(defaults) ? { ...agent, effective: effectiveConfig(agent.config, defaults) } : agent;
}

type Columns = Pick<AgentRow, 'display_name' | 'description' | 'is_active' | 'config'>;

const columnsOf = ({ name, display_name, description, is_active, config }: NewAgent): Columns => ({
  display_name: display_name ?? name,
  description: description ?? '',
  is_active,
  config,
});

function changed(present: Omit<AgentRow, 'status'>, change: AgentChange): Columns {
  const { name, display_name, description, is_active, config } = present;
  return {
    display_name: change.display_name === undefined ? display_name : (change.display_name ?? name),
    description: change.description === undefined ? description : (change.description ?? ''),
    is_active: change.is_active ?? is_active,
    config: change.config === undefined ? config : mergedConfig(NamedAgentConfig, config, change.config),
  };
}

const stored = ({ config, ...columns }: Columns) => ({ ...columns, config: JSON.stringify(config) });

/** In the transaction that writes it: the tools it names stay until then. */
async function check(trx: Database, of: { readonly workspaceId: string; readonly name: string }, agent: Columns) {
  const tools = await holdTools(trx, of.workspaceId, agent.config.tools);
  refuseProblems(agentProblems(agent.config, { name: of.name, tools }).map(detailOf()));
}

interface Making {
  readonly workspaceId: string;
  readonly agent: NewAgent;
  readonly seed: string;
  readonly by: string;
}

async function createAgent(db: Database, { workspaceId, agent, seed, by }: Making): Promise<void> {
  const { name } = agent;
  const columns = columnsOf(agent);
  await db.transaction().execute(async (trx) => {
    await check(trx, { workspaceId, name }, columns);
    await scoped(trx, workspaceId)
      .insert('agents', { id: derivedId('agt', seed), name, ...stored(columns), created_by: by })
      .onConflict((on) => on.column('id').doNothing())
      .execute()
      .catch(takenName(`name: an agent called "${name}" exists; choose another name, or PATCH that one.`));
  });
}

interface Writing {
  readonly workspaceId: string;
  readonly name: string;
  /** The name in the body. */
  readonly asked: string | undefined;
}

async function writeAgent(
  db: Database,
  { workspaceId, name, asked }: Writing,
  next: (present: Omit<AgentRow, 'status'>) => Columns,
): Promise<AgentView> {
  await db.transaction().execute(async (trx) => {
    const present = await lockAgent(trx, workspaceId, name);
    refuseRename('agent', name, asked);
    const columns = next(present);
    if (columns.config !== present.config) await check(trx, { workspaceId, name }, columns);
    await scoped(trx, workspaceId)
      .update('agents', present.id)
      .set({ ...stored(columns), updated_at: new Date() })
      .execute();
  });
  return viewOf(db, workspaceId, name);
}

async function removeAgent(db: Database, workspaceId: string, name: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const { id } = await lockAgent(trx, workspaceId, name);
    const workflows = await workflowsWith(trx, workspaceId, name);
    if (workflows.length > 0) {
      const names = workflows.map((slug) => `"${slug}"`).join(', ');
      throw conflict(`The agent "${name}" works in ${names}: take it out of there or pause them first.`, { workflows });
    }
    await scoped(trx, workspaceId).update('agents', id).set({ deleted_at: new Date() }).execute();
  });
}
