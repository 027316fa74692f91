import type { Database } from '../../db/client.js';
import type { DefinitionRef } from '../../db/definitions.js';
import { scoped } from '../../db/scoped.js';
import type { SecretStore } from '../../db/secrets.js';
import type { Json } from '../../workflows/definition/values.js';
import type { Actor } from '../actor.js';
import { compileContext } from './compile-context.js';
import {
  findDefinition,
  listDefinitions,
  presentDefinition,
  type DefinitionQuery,
  type DefinitionRow,
  type DefinitionView,
} from './definition-rows.js';
import { writeDraft } from './definitions-draft.js';
import { findVersion } from './definition-versions.js';
import { diffDocuments, type Diff } from './diff.js';
import { compileDocument, type Compilation, type DocumentKind } from './documents.js';
import type { UrlRulesOf } from './egress-lists.js';

export interface Draft {
  readonly document: Json;
  readonly revision: number;
}

export type Pins = Readonly<Record<string, Json>>;

/** Definitions of every kind, whatever surface they were written through. */
export interface DefinitionService {
  readonly list: (
    workspaceId: string,
    query: DefinitionQuery,
  ) => Promise<{ readonly items: readonly DefinitionView[]; readonly next_cursor: string | null }>;
  readonly get: (of: DefinitionRef) => Promise<DefinitionView>;
  readonly draft: (of: DefinitionRef) => Promise<Draft>;
  readonly saveDraft: (
    actor: Actor,
    definitionId: string,
    save: { readonly document: Json; readonly expected: number | null },
  ) => Promise<Draft>;
  /** Says what is wrong with a document, or the draft, and what it compiles to; saves nothing. */
  readonly compile: (of: DefinitionRef, document: Json | undefined) => Promise<Compilation>;
  readonly diff: (of: DefinitionRef, sides: { readonly from?: string; readonly to?: string }) => Promise<Diff>;
  readonly pins: (of: DefinitionRef) => Promise<Pins>;
  readonly setPins: (of: DefinitionRef, pins: Pins) => Promise<Pins>;
}

export interface DefinitionDeps {
  readonly db: Database;
  readonly secrets: SecretStore;
  readonly urlRules: UrlRulesOf;
}

export function createDefinitionService(deps: DefinitionDeps): DefinitionService {
  const { db } = deps;
  return {
    list: async (workspaceId, query) => {
      const found = await listDefinitions(db, workspaceId, { ...query, limit: query.limit + 1 });
      const items = found.slice(0, query.limit);
      return { items, next_cursor: found.length > items.length ? (items.at(-1)?.id ?? null) : null };
    },
    get: async (of) => presentDefinition(await findDefinition(db, of)),
    draft: async (of) => draftOf(await findDefinition(db, of)),
    saveDraft: async (actor, definitionId, { document, expected }) => {
      const of = { workspaceId: actor.workspaceId, definitionId };
      await writeDraft(deps, actor, { row: await findDefinition(db, of), document, expected });
      return draftOf(await findDefinition(db, of));
    },
    compile: async (of, document) => {
      const row = await findDefinition(db, of);
      return compileRow(deps, of.workspaceId, document === undefined ? row : { ...row, document });
    },
    diff: async (of, sides) => diffOf(db, of, sides),
    pins: async (of) => (await findDefinition(db, of)).pins,
    setPins: async (of, pins) => {
      await findDefinition(db, of);
      await scoped(db, of.workspaceId)
        .update('definitions', of.definitionId)
        .set({ pins: JSON.stringify(pins) })
        .execute();
      return pins;
    },
  };
}

const draftOf = ({ document, draft_revision: revision }: DefinitionRow): Draft => ({ document, revision });

/** Compiles against what the workspace has now. */
export async function compileRow(
  deps: Pick<DefinitionDeps, 'db' | 'urlRules'>,
  workspaceId: string,
  row: { readonly id: string; readonly kind: DocumentKind; readonly document: Json },
): Promise<Compilation> {
  const { id: ownId, kind, document } = row;
  return compileDocument(kind, document, await compileContext(deps, { workspaceId, ownId, kind, document }));
}

/** From the live version, or nothing, to the draft, unless the caller names others. */
async function diffOf(
  db: Database,
  of: DefinitionRef,
  { from, to = 'draft' }: { readonly from?: string; readonly to?: string },
): Promise<Diff> {
  const row = await findDefinition(db, of);
  const sideOf = async (side: string): Promise<Json> =>
    side === 'draft' ? row.document : (await findVersion(db, of, side)).document;
  const base = from ?? row.live_version?.id;
  return diffDocuments(row.kind, base === undefined ? {} : await sideOf(base), await sideOf(to));
}
