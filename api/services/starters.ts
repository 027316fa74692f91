import type { Database } from '../../db/client.js';
import { insertDefinition, publishVersion, setLive } from '../../db/definitions.js';
import { newId } from '../../db/ids.js';
import { scoped } from '../../db/scoped.js';
import { ActionToolConfig } from '../../workflows/definition/agents/action-tool.js';
import { NamedAgentConfig } from '../../workflows/definition/agents/named-agent.js';
import {
  starters as shipped,
  type StarterAgent,
  type Starters,
  type StarterTool,
  type StarterWorkflow,
} from '../../workflows/definition/agents/starters.js';
import { publishedStatus } from './definition-kinds.js';
import { compileRow } from './definitions.js';
import { documentKinds, isBlocker, parseDocument, type DocumentKind } from './documents.js';
import type { UrlRulesOf } from './egress-lists.js';

/** Gives each workspace, once, what new ones begin with. */
export interface StarterService {
  /** Cheap after the first time: whoever lists or reads such things calls it before. */
  readonly ensure: (workspaceId: string) => Promise<void>;
}

export interface StarterDeps {
  readonly db: Database;
  readonly urlRules: UrlRulesOf;
  /** Default: those that are shipped. */
  readonly starters?: Starters;
}

const MOST_REMEMBERED = 10_000;
const MADE_BY = 'system:starters';

export function createStarterService({ db, urlRules, starters = shipped }: StarterDeps): StarterService {
  const known = new Map<string, Promise<void>>();
  const plant = async (workspaceId: string): Promise<void> => {
    if (!(await isBare(db, workspaceId))) return;
    // asked before: the transaction must not wait for a second connection
    const rules = await urlRules(workspaceId);
    const planted = { urlRules: () => Promise.resolve(rules) };
    await db.transaction().execute((trx) => plantAll({ db: trx, ...planted }, workspaceId, starters));
  };
  return {
    ensure: (workspaceId) => {
      const before = known.get(workspaceId);
      if (before !== undefined) return before;
      if (known.size >= MOST_REMEMBERED) known.clear();
      const planting = plant(workspaceId).catch((error: unknown) => {
        known.delete(workspaceId);
        throw error;
      });
      known.set(workspaceId, planting);
      return planting;
    },
  };
}

type Planting = Omit<StarterDeps, 'starters'>;

/** A workspace that has not been given anything; one that is gone is none. */
const selectBare = (db: Database, workspaceId: string) =>
  db
    .selectFrom('workspaces')
    .select('id')
    .where('id', '=', workspaceId)
    .where('starters_at', 'is', null)
    .where('deleted_at', 'is', null);

const isBare = async (db: Database, workspaceId: string): Promise<boolean> =>
  (await selectBare(db, workspaceId).executeTakeFirst()) !== undefined;

async function plantAll(deps: Planting, workspaceId: string, starters: Starters): Promise<void> {
  const { db: trx } = deps;
  // of several at once one goes on, the others find it done
  const bare = await selectBare(trx, workspaceId).forNoKeyUpdate().executeTakeFirst();
  if (bare === undefined) return;
  for (const tool of starters.tools) await plantTool(trx, workspaceId, tool);
  for (const agent of starters.agents) await plantAgent(trx, workspaceId, agent);
  for (const workflow of starters.workflows) await plantWorkflow(deps, workspaceId, workflow);
  await trx.updateTable('workspaces').set({ starters_at: new Date() }).where('id', '=', workspaceId).execute();
}

/** What people called the same before stays theirs. */
async function plantTool(trx: Database, workspaceId: string, { config, ...tool }: StarterTool): Promise<void> {
  const row = {
    id: newId('atl'),
    ...tool,
    config: JSON.stringify(ActionToolConfig.parse(config)),
    created_by: MADE_BY,
  };
  await scoped(trx, workspaceId)
    .insert('action_tools', row)
    .onConflict((on) => on.columns(['workspace_id', 'name']).where('deleted_at', 'is', null).doNothing())
    .execute();
}

async function plantAgent(trx: Database, workspaceId: string, { config, ...agent }: StarterAgent): Promise<void> {
  const row = {
    id: newId('agt'),
    ...agent,
    config: JSON.stringify(NamedAgentConfig.parse(config)),
    created_by: MADE_BY,
  };
  await scoped(trx, workspaceId)
    .insert('agents', row)
    .onConflict((on) => on.columns(['workspace_id', 'name']).where('deleted_at', 'is', null).doNothing())
    .execute();
}

const isKind = (kind: string): kind is DocumentKind => (documentKinds as readonly string[]).includes(kind);

/** Published where it compiles with the workspace as it is; a draft otherwise, which says what is missing. */
async function plantWorkflow(deps: Planting, workspaceId: string, workflow: StarterWorkflow): Promise<void> {
  const { db: trx } = deps;
  const { kind, slug, name, description } = workflow;
  if (!isKind(kind) || (await isTaken(trx, workspaceId, { kind, slug }))) return;
  const of = { workspaceId, definitionId: newId('def') };
  const document = parseDocument(kind, workflow.document);
  const told = { kind, slug, name, description, status: 'draft', document, createdBy: MADE_BY };
  await insertDefinition(trx, { ...of, ...told });
  const { plan, problems } = await compileRow(deps, workspaceId, { id: of.definitionId, kind, document });
  if (plan === null || problems.some(isBlocker)) return;
  const version = await publishVersion(trx, { ...of, document, plan, by: MADE_BY, note: null });
  const status = publishedStatus(kind, 'draft');
  await setLive(trx, of, { versionId: version.id, status, publishedAt: version.published_at });
}

const isTaken = async (
  trx: Database,
  workspaceId: string,
  { kind, slug }: { readonly kind: DocumentKind; readonly slug: string },
): Promise<boolean> =>
  (await scoped(trx, workspaceId)
    .select('definitions')
    .select('id')
    .where('kind', '=', kind)
    .where('slug', '=', slug)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()) !== undefined;
