import {
  deleteSource,
  findSource,
  insertSource,
  listSources,
  rotateSourceSecret,
  updateSource,
  type SourceRef,
  type SourceRow,
} from '../../../db/ingress-sources.js';
import { newId } from '../../../db/ids.js';
import type { Database } from '../../../db/client.js';
import { ingressSecret } from '../../../db/vault/sealed-columns.js';
import type { Vault } from '../../../db/vault/vault.js';
import type { Actor } from '../../actor.js';
import { conflict, notFound } from '../../http/errors.js';
import { slugFrom } from '../slugs.js';
import type { Provider } from './schemes/index.js';
import { checkedValues, secretFor, type SourceInput } from './source-values.js';

export interface NewSourceInput extends Omit<SourceInput, 'slug'> {
  readonly slug: string | undefined;
  readonly provider: Provider;
  readonly secret: string | undefined;
}

export type SourceChange = { readonly [K in keyof SourceInput]?: SourceInput[K] | undefined };

export type SourceView = Omit<SourceRow, 'workspace_slug' | 'rejected_count' | 'provider'> & {
  readonly provider: Provider;
  /** What providers call; behind KEELSON_PUBLIC_URL where that is set. */
  readonly url: string;
  readonly rejected_count: number;
};

/** A new secret is shown this once; one that was given is never shown. */
export type SourceWithSecret = SourceView & { readonly secret: string | null };

export interface IngressSourceService {
  readonly list: (
    workspaceId: string,
    page: { readonly limit: number; readonly offset: number },
  ) => Promise<{ readonly items: readonly SourceView[]; readonly total: number }>;
  readonly get: (ref: SourceRef) => Promise<SourceView>;
  readonly create: (actor: Actor, input: NewSourceInput) => Promise<SourceWithSecret>;
  readonly change: (ref: SourceRef, change: SourceChange) => Promise<SourceView>;
  readonly remove: (ref: SourceRef) => Promise<void>;
  readonly rotate: (
    ref: SourceRef,
    rotation: { readonly secret: string | undefined; readonly overlapSeconds: number },
  ) => Promise<SourceWithSecret>;
}

export interface SourceDeps {
  readonly db: Database;
  readonly vault: Pick<Vault, 'seal'>;
  readonly publicUrl: string | undefined;
  /** The same, or this machine where none is configured. */
  readonly here: string;
}

const MOST_SOURCES = 200;

export function createIngressSourceService(deps: SourceDeps): IngressSourceService {
  const { db } = deps;
  const get = async (ref: SourceRef): Promise<SourceView> => present(deps, await found(db, ref));
  return {
    list: async (workspaceId, page) => {
      const { items, total } = await listSources(db, workspaceId, page);
      return { items: items.map((row) => present(deps, row)), total };
    },
    get,
    create: async (actor, input) => {
      const { id, secret } = await create(deps, actor, input);
      return { ...(await get({ workspaceId: actor.workspaceId, id })), secret };
    },
    change: async (ref, change) => {
      await changeSource(deps, ref, change);
      return get(ref);
    },
    remove: async (ref) => {
      if (!(await deleteSource(db, ref))) throw notFound('source of webhooks', ref.id);
    },
    rotate: async (ref, { secret: given, overlapSeconds }) => {
      const { provider } = await found(db, ref);
      const { secret, isNew } = secretFor(provider as Provider, given); // -- reason: checked when it was written
      const sealedSecret = await deps.vault.seal(ingressSecret(ref), secret);
      await rotateSourceSecret(db, ref, { sealedSecret, overlapSeconds });
      return { ...(await get(ref)), secret: isNew ? secret : null };
    },
  };
}

export async function found(db: Database, ref: SourceRef): Promise<SourceRow> {
  const row = await findSource(db, ref);
  if (row === undefined) throw notFound('source of webhooks', ref.id);
  return row;
}

async function create({ db, vault, publicUrl }: SourceDeps, actor: Actor, input: NewSourceInput) {
  const { provider, secret: given, slug = slugFrom(input.name, 'webhook'), ...values } = input;
  const { workspaceId } = actor;
  const checked = await checkedValues({ db, workspaceId, provider, publicUrl }, { ...values, slug });
  const { secret, isNew } = secretFor(provider, given);
  const ref = { workspaceId, id: newId('ing') };
  const sealedSecret = await vault.seal(ingressSecret(ref), secret);
  const made = { ...checked, ref, provider, sealedSecret, createdBy: actor.id, atMost: MOST_SOURCES };
  const outcome = await insertSource(db, made);
  if (outcome === 'full')
    throw conflict(`The workspace has ${MOST_SOURCES} sources of webhooks, the most it may have.`);
  if (outcome === 'taken') throw conflict(`slug: "${slug}" is taken; choose another.`);
  return { id: ref.id, secret: isNew ? secret : null };
}

async function changeSource({ db, publicUrl }: SourceDeps, ref: SourceRef, change: SourceChange): Promise<void> {
  const row = await found(db, ref);
  const { workspaceId } = ref;
  const { name, slug, target, input, keep_headers, tolerance_seconds, is_active } = row;
  // -- reason: both were checked when they were written
  const verification = row.verification as SourceInput['verification'];
  const provider = row.provider as Provider;
  const before = { name, slug, verification, target, input, keep_headers, tolerance_seconds, is_active };
  // a definition that has gone since is complained of only by whoever names it
  const given = { ...before, ...withoutAbsent(change) };
  const checked = await checkedValues(
    { db, workspaceId, provider, publicUrl },
    change.target === undefined ? { ...given, target: placeholder } : given,
  );
  await updateSource(db, ref, change.target === undefined ? { ...checked, target } : checked);
}

const placeholder = { event: { name: 'unchanged' } } as const;

const withoutAbsent = (change: SourceChange): Partial<SourceInput> =>
  // -- reason: what is left has values
  Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as Partial<SourceInput>;

export const pathOf = ({ workspace_slug: workspace, slug }: Pick<SourceRow, 'workspace_slug' | 'slug'>): string =>
  `/v1/public/ingress/${workspace}/${slug}`;

function present({ here }: SourceDeps, row: SourceRow): SourceView {
  const { workspace_slug: _, rejected_count: rejected, provider, ...shown } = row;
  return {
    ...shown,
    provider: provider as Provider, // -- reason: checked when it was written
    url: here + pathOf(row),
    rejected_count: Number(rejected),
  };
}
