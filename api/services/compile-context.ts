import { loadAgents, loadActionTools } from '../../db/agents.js';
import { scoped } from '../../db/scoped.js';
import type { Database } from '../../db/client.js';
import type { CompileContext, KnownDefinition } from '../../workflows/definition/graph-context.js';
import type { Plan } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';
import { referencesOf, type DocumentKind } from './documents.js';
import type { UrlRulesOf } from './egress-lists.js';

export interface ContextDeps {
  readonly db: Database;
  readonly urlRules: UrlRulesOf;
}

/** What a document is compiled against: the tools of its workspace, and the definitions it names, and those they run. */
export async function compileContext(
  { db, urlRules }: ContextDeps,
  of: { readonly workspaceId: string; readonly ownId: string; readonly kind: DocumentKind; readonly document: Json },
): Promise<CompileContext> {
  const { workspaceId, ownId, kind, document } = of;
  const named = referencesOf(kind, document);
  const tools = await knownTools(db, workspaceId, named.tools);
  return {
    tools: new Set(tools.map(({ name }) => name)),
    definitions: await knownDefinitions(db, workspaceId, named.definitions),
    ...(await namedAgents(db, workspaceId, named.agents ?? [])),
    ...(await urlRules(workspaceId)),
    id: ownId,
  };
}

/** Agents, and the tools they name. */
async function namedAgents(
  db: Database,
  workspaceId: string,
  names: readonly string[],
): Promise<Pick<CompileContext, 'agents' | 'actionTools'>> {
  const agents = await loadAgents(db, workspaceId, names);
  const tools = await loadActionTools(db, workspaceId, [...new Set(agents.flatMap(({ config }) => config.tools))]);
  return {
    agents: new Map(agents.map((agent) => [agent.name, agent])),
    actionTools: new Map(tools.map((tool) => [tool.name, tool])),
  };
}

const knownTools = async (
  db: Database,
  workspaceId: string,
  names: readonly string[],
): Promise<readonly { readonly name: string }[]> => {
  if (names.length === 0) return [];
  return scoped(db, workspaceId).select('workspace_tools').select('name').where('name', 'in', names).execute();
};

/** More than this nobody nests; what lies beyond is not looked at for cycles. */
const MAX_DEFINITIONS = 200;

async function knownDefinitions(
  db: Database,
  workspaceId: string,
  named: readonly string[],
): Promise<ReadonlyMap<string, KnownDefinition>> {
  const known = new Map<string, KnownDefinition>();
  const seen = new Set(named);
  for (let asked = named; asked.length > 0 && seen.size <= MAX_DEFINITIONS;) {
    const rows = await liveDefinitions(db, workspaceId, asked);
    for (const { id, kind, version_id: versionId, plan } of rows) {
      known.set(id, { kind, published: plan !== null, versionId, ...(plan === null ? {} : { plan }) });
    }
    const next = rows.flatMap(({ plan }) => (plan === null ? [] : startedBy(plan)));
    asked = [...new Set(next)].filter((id) => !seen.has(id));
    for (const id of asked) seen.add(id);
  }
  return known;
}

const liveDefinitions = (db: Database, workspaceId: string, ids: readonly string[]) =>
  scoped(db, workspaceId)
    .select('definitions')
    .leftJoin('versions', (join) =>
      join.onRef('versions.id', '=', 'definitions.version_id').on('definitions.status', '<>', 'draft'),
    )
    .select(['definitions.id', 'definitions.kind', 'definitions.version_id', 'versions.plan'])
    .where('definitions.id', 'in', ids)
    .where('definitions.deleted_at', 'is', null)
    .execute();

const startedBy = (plan: Plan): readonly string[] =>
  Object.values(plan.nodes).flatMap((node) => (node.kind === 'subflow' ? [node.config.definition] : []));
