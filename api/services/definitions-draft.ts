import { isDeepStrictEqual } from 'node:util';
import type { Database } from '../../db/client.js';
import { draftAt, saveDraft, type DraftSave } from '../../db/definitions.js';
import { scoped } from '../../db/scoped.js';
import type { SecretStore } from '../../db/secrets.js';
import type { Json } from '../../workflows/definition/values.js';
import type { Actor } from '../actor.js';
import { conflict } from '../http/errors.js';
import { afterDraft } from './definition-kinds.js';
import { findDefinition, type DefinitionRow } from './definition-rows.js';
import { vaultDocument } from './definition-secrets.js';
import { parseDocument } from './documents.js';

export interface DraftDeps {
  readonly db: Database;
  readonly secrets: SecretStore;
}

export interface DraftChange {
  /** As it was read: its secrets keep their names. */
  readonly row: DefinitionRow;
  readonly document: Json;
  /** The revision the author began with; null for whoever does not care. */
  readonly expected: number | null;
}

/** Gives the draft its next revision. An author who began with an older one gets 409, with what it was and what is now. */
export async function writeDraft(deps: DraftDeps, actor: Actor, change: DraftChange): Promise<number> {
  const { row, expected } = change;
  const { workspaceId } = actor;
  const parsed = parseDocument(row.kind, change.document);
  const of = { workspaceId, definitionId: row.id };
  if (expected !== null && expected !== row.draft_revision)
    return settleStale(deps.db, { ...of, expected, document: parsed });
  const document = await vaultDocument(deps.secrets, {
    workspaceId,
    kind: row.kind,
    slug: row.slug,
    document: parsed,
    previous: row.document,
  });
  const revision = await deps.db.transaction().execute(async (trx) => {
    const saved = await saveDraft(trx, { ...of, document, by: actor.id, expected });
    if (saved !== null) await afterDraft(trx, { ...of, kind: row.kind, status: row.status, document });
    return saved;
  });
  return revision ?? settleStale(deps.db, { ...of, expected: expected ?? 0, document: parsed });
}

/** A repeat of a save whose answer was lost finds its own document there, and is answered as the first time. */
async function settleStale(db: Database, save: Omit<DraftSave, 'by'> & { readonly expected: number }): Promise<number> {
  const now = await findDefinition(db, save);
  if (isDeepStrictEqual(now.document, save.document)) return now.draft_revision;
  const base = await draftAt(db, save, save.expected);
  const revision = now.draft_revision;
  const message = `The draft has revision ${revision}, not ${save.expected}: somebody else saved it. Merge your changes into "current" and save with If-Match: "${revision}".`;
  throw conflict(message, { current_revision: revision, base: base ?? null, current: now.document });
}

/** What is written about a definition besides its document. */
export interface Metadata {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly slug?: string | undefined;
  readonly folder?: string | undefined;
}

export async function writeMetadata(
  db: Database,
  { workspaceId, id }: { readonly workspaceId: string; readonly id: string },
  change: Metadata,
): Promise<void> {
  const columns = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
  if (Object.keys(columns).length === 0) return;
  await scoped(db, workspaceId)
    .update('definitions', id)
    .set({ ...columns, updated_at: new Date() })
    .execute();
}
