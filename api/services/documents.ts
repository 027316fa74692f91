import { graphAlone } from '../../workflows/definition/alone.js';
import type { DagDocument } from '../../workflows/definition/agents/dag-document.js';
import { compileDag, dagAlone } from '../../workflows/definition/agents/dag-plan.js';
import type { ChainDocument } from '../../workflows/definition/chain.js';
import { compileChain } from '../../workflows/definition/chain-plan.js';
import type { GraphDocument } from '../../workflows/definition/graph.js';
import { dialects, type DefinitionKind } from '../../workflows/definition/dialects.js';
import type { CompileContext, References } from '../../workflows/definition/graph-context.js';
import { compileGraph, type Compilation } from '../../workflows/definition/graph-plan.js';
import type { GraphProblem } from '../../workflows/definition/problems.js';
import type { Plan } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';
import { invalid, type ApiError, type ErrorDetail } from '../http/errors.js';

export type DocumentKind = DefinitionKind;
export type { Compilation } from '../../workflows/definition/graph-plan.js';

export const documentKinds = Object.keys(dialects) as readonly DocumentKind[]; // -- reason: keys of that very record

/** A problem as replies show it; `pointer` is a JSON pointer into the document. */
export type { GraphProblem } from '../../workflows/definition/problems.js';

export const emptyDocument = (kind: DocumentKind, name: string): Json => dialects[kind].empty(name);

/** What a document names beyond itself. */
export const referencesOf = (kind: DocumentKind, document: Json): References => dialects[kind].references(document);

/** The document as its dialect keeps it; 422 for one whose structure is broken. An incomplete one passes. */
export function parseDocument(kind: DocumentKind, document: Json): Json {
  const parsed = dialects[kind].parse(document);
  if ('document' in parsed) return parsed.document;
  throw invalid(parsed.problems.map(detailOf));
}

/** Problems and, while none is a blocker, the plan; a broken structure is a problem as well. */
export function compileDocument(kind: DocumentKind, document: Json, context: CompileContext): Compilation {
  const compiled = dialects[kind].compile(document, context);
  const tooLarge = compiled.plan === null ? null : planProblem(compiled.plan);
  if (tooLarge === null) return compiled;
  const problem = { code: 'too_large', severity: 'blocker', pointer: '', message: tooLarge } as const;
  return { plan: null, problems: [...compiled.problems, problem] };
}

type Alone = (
  document: Json,
  asked: { readonly nodeId: string; readonly context: CompileContext },
) => Compilation | null;

/** How one node of each kind's documents is compiled without the others. */
const alone: Readonly<Record<DocumentKind, Alone>> = {
  chain: (document, { nodeId }) => {
    const plan = compileChain(document as unknown as ChainDocument); // -- reason: parsed before it was written
    return plan?.nodes[nodeId] === undefined ? null : { plan, problems: [] };
  },
  workflow: (document, { nodeId, context }) => {
    const graph = graphAlone(document as unknown as GraphDocument, nodeId); // -- reason: as above
    return graph === null ? null : compileGraph(graph, context);
  },
  agent_dag: (document, { nodeId, context }) => {
    const dag = dagAlone(document as unknown as DagDocument, { nodeId, context }); // -- reason: as above
    return dag === null ? null : compileDag(dag, context);
  },
};

/** Compiles one node, with its body, of a document that may be unfinished elsewhere; null when it has no such node. */
export const compileAlone = (
  kind: DocumentKind,
  document: Json,
  asked: { readonly nodeId: string; readonly context: CompileContext },
): Compilation | null => alone[kind](document, asked);

export const isBlocker = ({ severity }: GraphProblem): boolean => severity === 'blocker';

/** 422 with the blockers beside the envelope. */
export const refusedBy = (problems: readonly GraphProblem[]): ApiError =>
  invalid(problems.filter(isBlocker).map(detailOf), {
    blockers: problems.filter(isBlocker),
    warnings: problems.filter((problem) => !isBlocker(problem)),
  });

/** `/nodes/0/config/url` as the envelope spells it: `nodes.0.config.url`. */
const detailOf = ({ pointer, message, code }: GraphProblem): ErrorDetail => ({
  field: pointer.slice(1).split('/').map(unescapePointer).join('.') || 'body',
  message,
  type: code,
});

const unescapePointer = (part: string): string => part.replaceAll('~1', '/').replaceAll('~0', '~');

const MAX_NODES = 500;
const MAX_PLAN_BYTES = 1024 * 1024;

/** A run loads its whole plan, so that may not grow without bounds. */
export function planProblem(plan: Plan): string | null {
  const nodes = Object.keys(plan.nodes).length;
  const bytes = Buffer.byteLength(JSON.stringify(plan));
  if (nodes <= MAX_NODES && bytes <= MAX_PLAN_BYTES) return null;
  const limits = `at most ${MAX_NODES} nodes and ${MAX_PLAN_BYTES} bytes are possible`;
  return `it compiles to ${nodes} nodes and ${bytes} bytes; ${limits}. Move a part of it into a definition of its own.`;
}
