import type { Plan } from '../../workflows/definition/plan.js';
import { conflict } from '../http/errors.js';
import { compileContext, type ContextDeps } from './compile-context.js';
import { compileDocument, documentKinds, isBlocker, refusedBy, type DocumentKind } from './documents.js';
import type { DefinitionRow } from './run-target.js';

/** Compiles drafts that are to be run as they are. */
export function createDraftCompiler(
  deps: ContextDeps,
): (workspaceId: string, definition: DefinitionRow) => Promise<Plan> {
  return async (workspaceId, { id, kind, name, document }) => {
    if (!isDocumentKind(kind)) throw conflict(`"${name}" is a ${kind}: its drafts cannot be run.`);
    const context = await compileContext(deps, { workspaceId, ownId: id, kind, document });
    const { plan, problems } = compileDocument(kind, document, context);
    if (plan === null || problems.some(isBlocker)) throw refusedBy(problems);
    return plan;
  };
}

const isDocumentKind = (kind: string): kind is DocumentKind => documentKinds.some((each) => each === kind);
