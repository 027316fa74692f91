import { scoped } from '../../db/scoped.js';
import type { Database } from '../../db/client.js';
import type { CompileContext, KnownDefinition } from '../../workflows/definition/graph-context.js';
import type { Plan } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';

export interface ContextDeps {
  readonly db: Database;
  readonly urlProblem: (url: string) => string | null;
}

/** What a document is compiled against: the tools of its workspace, and the definitions it names, and those they run. */
export async function compileContext(
  { db, urlProblem }: ContextDeps,
  of: { readonly workspaceId: string; readonly ownId: string; readonly document: Json },
): Promise<CompileContext> {
  const { workspaceId, ownId, document } = of;
  const tools = await scoped(db, workspaceId).select('workspace_tools').select('name').execute();
  return {
    tools: new Set(tools.map(({ name }) => name)),
    definitions: await knownDefinitions(db, workspaceId, idsIn(document)),
    urlProblem,
    id: ownId,
  };
}

/** More than this nobody nests; what lies beyond is not looked at for cycles. */
const MAX_DEFINITIONS = 200;

async function knownDefinitions(
  db: Database,
  workspaceId: string,
  named: readonly string[],
): Promise<ReadonlyMap<string, KnownDefinition>> {
  const known = new Map<string, KnownDefinition>();
  const seen = new Set(named);
  for (let asked = named; asked.length > 0 && seen.size <= MAX_DEFINITIONS; ) {
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

/** Every definition's id in a document, wherever its dialect keeps one. */
function idsIn(json: Json): readonly string[] {
  if (typeof json === 'string') return /^def_[0-9a-z]{26}$/.test(json) ? [json] : [];
  if (json === null || typeof json !== 'object') return [];
  return [...new Set(Object.values(json).flatMap(idsIn))];
}
