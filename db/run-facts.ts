import type { RunRef } from '../workflows/contract/run.js';
import type { Json } from '../workflows/definition/values.js';
import { createBriefCache, type BriefCache, type BriefCacheSettings } from './brief-cache.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';

/** What the agents of a run know of where they work. */
export interface RunFacts {
  readonly tenant: TenantFacts;
  /** Null for runs of no definition. */
  readonly workflow: { readonly slug: string; readonly name: string } | null;
}

export interface TenantFacts {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  /** Those that agents may know. */
  readonly settings: Readonly<Record<string, Json>>;
}

export type RunFactsSource = (run: RunRef) => Promise<RunFacts>;

/** The other settings hold addresses and lists that are not for a model's ears. */
const TOLD = ['default_language', 'supported_languages', 'feature_flags', 'api_config', 'endpoints'];

export function createRunFacts(db: Database, settings: BriefCacheSettings = {}): RunFactsSource {
  const tenants: BriefCache<TenantFacts> = createBriefCache((workspaceId) => readTenant(db, workspaceId), settings);
  const runs = createBriefCache((place) => readWorkflow(db, placed(place)), settings);
  return async (run) => {
    const [tenant, workflow] = await Promise.all([tenants.of(run.workspaceId), runs.of(placeOf(run))]);
    return { tenant, workflow };
  };
}

const placeOf = ({ workspaceId, runId }: RunRef): string => `${workspaceId} ${runId}`;

function placed(place: string): RunRef {
  const [workspaceId = '', runId = ''] = place.split(' ');
  return { workspaceId, runId };
}

async function readTenant(db: Database, workspaceId: string): Promise<TenantFacts> {
  const { settings, ...tenant } = await db
    .selectFrom('workspaces')
    .innerJoin('tenants', 'tenants.id', 'workspaces.tenant_id')
    .select(['tenants.id', 'tenants.slug', 'tenants.name', 'tenants.settings'])
    .where('workspaces.id', '=', workspaceId)
    .executeTakeFirstOrThrow();
  const told = Object.entries(settings).filter(([name]) => TOLD.includes(name));
  return { ...tenant, settings: Object.fromEntries(told) };
}

const readWorkflow = async (db: Database, { workspaceId, runId }: RunRef): Promise<RunFacts['workflow']> =>
  (await scoped(db, workspaceId)
    .select('runs')
    .innerJoin('definitions', 'definitions.id', 'runs.definition_id')
    .select(['definitions.slug', 'definitions.name'])
    .where('runs.id', '=', runId)
    .executeTakeFirst()) ?? null;
