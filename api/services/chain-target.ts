import type { Database } from '../../db/client.js';
import type { ChainDocument } from '../../workflows/definition/chain.js';
import type { Plan } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';
import { conflict, notFound, type ApiError } from '../http/errors.js';

/** A chain as it runs. */
export interface Chain {
  readonly id: string;
  readonly workspace_id: string;
  readonly slug: string;
  readonly status: string;
  readonly document: Json;
  readonly version_id: string | null;
  readonly plan: Plan | null;
}

export async function findChain(
  db: Database,
  of: { readonly workspaceId: string } | { readonly workspaceSlug: string },
  slug: string,
): Promise<Chain> {
  const query = db
    .selectFrom('definitions')
    .innerJoin('workspaces', 'workspaces.id', 'definitions.workspace_id')
    .leftJoin('versions', 'versions.id', 'definitions.version_id')
    .select([
      'definitions.id',
      'definitions.workspace_id',
      'definitions.slug',
      'definitions.status',
      'definitions.version_id',
      'versions.plan',
    ])
    // what runs is what was published last, not what is being written
    .select((eb) => eb.fn.coalesce('versions.document', 'definitions.document').as('document'))
    .where('definitions.kind', '=', 'chain')
    .where('definitions.slug', '=', slug)
    .where('definitions.deleted_at', 'is', null)
    .where('workspaces.deleted_at', 'is', null);
  const chain = await (
    'workspaceId' in of
      ? query.where('definitions.workspace_id', '=', of.workspaceId)
      : query.where('workspaces.slug', '=', of.workspaceSlug)
  ).executeTakeFirst();
  if (chain === undefined) throw notFound('chain', slug);
  return chain;
}

// -- reason: `ChainDocument` was checked when the row was written
export const documentOf = (chain: Chain): ChainDocument => chain.document as unknown as ChainDocument;

export const noSteps = (slug: string): ApiError => conflict(`The chain "${slug}" has no steps; add one to run it.`);
