import type { Database } from '../../db/client.js';
import { ensureVersion, publishVersion, type DefinitionRef } from '../../db/definitions.js';
import { scoped } from '../../db/scoped.js';
import type { ChainDocument } from '../../workflows/definition/chain.js';
import { chainCron, compileChain } from '../../workflows/definition/chain-plan.js';
import type { Json } from '../../workflows/definition/values.js';
import type { DocumentKind } from './documents.js';
import type { ScheduleService } from './schedules.js';

/** What is particular to each kind of definition when it is saved or published. */

export type ChainSchedules = Pick<ScheduleService, 'setChainSchedule' | 'syncPending'>;

interface Saved extends DefinitionRef {
  readonly kind: DocumentKind;
  readonly status: string;
  readonly document: Json;
}

interface KindRules {
  /** The status a definition of this status has once it is published. */
  readonly published: (status: string) => string;
  /** What else a new draft changes, in its transaction. */
  readonly afterDraft: (db: Database, saved: Saved) => Promise<void>;
  /** Follows a new live version, in its transaction; true when Temporal is to be told by `syncPending`. */
  readonly afterLive: (db: Database, live: Saved & { readonly schedules: ChainSchedules }) => Promise<boolean>;
}

const rules: Readonly<Record<DocumentKind, KindRules>> = {
  agent_dag: {
    // publishing does not end a pause
    published: (status) => (status === 'paused' ? 'paused' : 'published'),
    afterDraft: () => Promise.resolve(),
    afterLive: () => Promise.resolve(false),
  },
  workflow: {
    published: () => 'published',
    afterDraft: () => Promise.resolve(),
    afterLive: () => Promise.resolve(false),
  },
  chain: {
    // publishing does not end a pause
    published: (status) => (status === 'paused' ? 'paused' : 'live'),
    afterDraft: async (db, { workspaceId, definitionId, status, document }) => {
      const chain = chainOf(document);
      await scoped(db, workspaceId).update('definitions', definitionId).set({ name: chain.name }).execute();
      // a chain that is not live yet runs as it stands
      if (status === 'draft') await bindChain(db, { workspaceId, definitionId }, { document: chain, status, by: '' });
    },
    afterLive: (db, { workspaceId, definitionId, status, document, schedules }) =>
      scheduleChain({ db, schedules }, { workspaceId, chainId: definitionId }, { status, document: chainOf(document) }),
  },
};

export const publishedStatus = (kind: DocumentKind, status: string): string => rules[kind].published(status);
export const afterDraft = (db: Database, saved: Saved): Promise<void> => rules[saved.kind].afterDraft(db, saved);
export const afterLive = (db: Database, live: Saved & { readonly schedules: ChainSchedules }): Promise<boolean> =>
  rules[live.kind].afterLive(db, live);

// -- reason: the chain dialect parsed it before it was written
const chainOf = (document: Json): ChainDocument => document as unknown as ChainDocument;

/** Gives a chain the version its runs get; once it is live that version is a published one. */
export async function bindChain(
  db: Database,
  of: DefinitionRef,
  { document, status, by }: { readonly document: ChainDocument; readonly status: string; readonly by: string },
): Promise<void> {
  const plan = compileChain(document);
  const json = document as unknown as Json; // -- reason: a parsed document is plain JSON
  const set = (columns: { version_id: string | null; published_at?: Date }): Promise<unknown> =>
    scoped(db, of.workspaceId).update('definitions', of.definitionId).set(columns).execute();
  if (plan === null) {
    await set({ version_id: null });
  } else if (status === 'draft') {
    await set({ version_id: await ensureVersion(db, { ...of, document: json, plan }) });
  } else {
    const version = await publishVersion(db, { ...of, document: json, plan, by, note: null });
    await set({ version_id: version.id, published_at: version.published_at });
  }
}

/** A live chain that begins with a cron expression has a schedule, any other has none. */
export async function scheduleChain(
  { db, schedules }: { readonly db: Database; readonly schedules: ChainSchedules },
  of: { readonly workspaceId: string; readonly chainId: string },
  chain: { readonly status: string; readonly document: ChainDocument },
): Promise<boolean> {
  const due = chain.status === 'live' ? chainCron(chain.document) : null;
  const wanted = due === null ? { ...of, cron: null } : { ...of, ...due, name: chain.document.name };
  return schedules.setChainSchedule(wanted, db);
}
