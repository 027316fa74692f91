import type { z } from 'zod';
import { DagDocument, emptyDag } from './agents/dag-document.js';
import { compileDag, dagReferences } from './agents/dag-plan.js';
import { ChainDocument } from './chain.js';
import { compileChain } from './chain-plan.js';
import { chainProblems } from './chain-problems.js';
import { graphReferences, type CompileContext, type References } from './graph-context.js';
import { compileGraph, type Compilation } from './graph-plan.js';
import { emptyGraph, GraphDocument, structureProblems } from './graph.js';
import type { Plan } from './plan.js';
import { issueMessage, pointerOf, type GraphProblem, type Path } from './problems.js';
import { EVERY_STEP } from './reads.js';
import type { Json } from './values.js';

/** The kinds of documents there are, each with its reader and its compiler. */

export type DefinitionKind = 'chain' | 'workflow' | 'agent_dag';

type JsonObject = { readonly [key: string]: Json };

/** A document that may be saved, or what makes it none: answered 422. */
export type Parsed = { readonly document: JsonObject } | { readonly problems: readonly GraphProblem[] };

export interface Dialect {
  readonly parse: (json: Json) => Parsed;
  /** Parses first; a document that cannot be read gives its problems and no plan. */
  readonly compile: (json: Json, context: CompileContext) => Compilation;
  /** What must be looked up for the context. */
  readonly references: (json: Json) => References;
  /** What a new draft holds. */
  readonly empty: (name: string) => JsonObject;
  readonly schema: z.ZodType;
}

interface Parts<D> {
  readonly schema: z.ZodType<D>;
  readonly structure: (document: D) => readonly GraphProblem[];
  readonly compile: (document: D, context: CompileContext) => Compilation;
  readonly references: (document: D) => References;
  readonly empty: (name: string) => D;
}

function createDialect<D extends object>(parts: Parts<D>): Dialect {
  const read = (json: Json): { readonly document: D } | { readonly problems: readonly GraphProblem[] } => {
    const result = parts.schema.safeParse(json, { reportInput: true });
    if (!result.success) return { problems: result.error.issues.map(problemOf) };
    const problems = parts.structure(result.data);
    return problems.length > 0 ? { problems } : { document: result.data };
  };
  return {
    schema: parts.schema,
    parse: (json) => {
      const result = read(json);
      return 'problems' in result ? result : { document: plain(result.document) };
    },
    compile: (json, context) => {
      const result = read(json);
      return 'problems' in result ? { plan: null, problems: result.problems } : parts.compile(result.document, context);
    },
    references: (json) => {
      const result = read(json);
      return 'problems' in result ? { definitions: [], tools: [] } : parts.references(result.document);
    },
    empty: (name) => plain(parts.empty(name)),
  };
}

/** As it would come back from the database. */
const plain = (document: object): JsonObject =>
  // -- reason: what zod read from JSON is JSON again
  JSON.parse(JSON.stringify(document)) as JsonObject;

function problemOf(issue: z.core.$ZodIssue): GraphProblem {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? '' : part));
  return {
    code: 'bad_document',
    severity: 'blocker',
    pointer: pointerOf(path),
    message: issueMessage(issue, path.length === 0 ? 'the document' : path.slice(0, -1).join('.') || 'the document'),
  };
}

const chain = createDialect<ChainDocument>({
  // -- reason: the schema also takes documents without what has a default
  schema: ChainDocument as z.ZodType<ChainDocument>,
  structure: () => [],
  references: (document) =>
    graphReferences({
      ...emptyGraph,
      nodes: [...document.primary_steps, ...document.branches.flatMap((branch) => branch.steps)].map(
        ({ kind, config }, index) => ({ id: `p${index}`, type: kind, config: plain(config) }),
      ),
    }),
  compile: compileChainDocument,
  empty: (name) => ({ name, summary: '', when_label: '', primary_steps: [], branches: [] }),
});

const workflow = createDialect<GraphDocument>({
  // -- reason: as above
  schema: GraphDocument as z.ZodType<GraphDocument>,
  structure: structureProblems,
  references: graphReferences,
  compile: compileGraph,
  empty: () => emptyGraph,
});

const agentDag = createDialect<DagDocument>({
  // -- reason: as above
  schema: DagDocument as z.ZodType<DagDocument>,
  structure: () => [],
  references: dagReferences,
  compile: compileDag,
  empty: () => emptyDag,
});

/** Total over kinds: a kind without an entry does not compile. */
export const dialects: Readonly<Record<DefinitionKind, Dialect>> = { chain, workflow, agent_dag: agentDag };

function compileChainDocument(document: ChainDocument, context: CompileContext): Compilation {
  const { urlProblem, ...references } = context;
  const plan = compileChain(document);
  const problems = [
    ...chainProblems(document, { urlProblem, references }).map(({ code, field, message }): GraphProblem => {
      const path: Path = field.split('.');
      return { code, severity: 'blocker', pointer: pointerOf(path), message, ...nodeIdOf(path) };
    }),
    ...(plan === null ? [] : unknownSteps(plan)),
  ];
  return { plan: problems.length > 0 ? null : plan, problems };
}

/** A step of the main line is one node; one of a branch is several. */
const nodeIdOf = ([list, index]: Path): { readonly node_id?: string } =>
  list === 'primary_steps' && index !== undefined ? { node_id: `p${index}` } : {};

function unknownSteps(plan: Plan): readonly GraphProblem[] {
  return Object.values(plan.nodes).flatMap(({ id, reads }) =>
    (reads?.steps ?? [])
      .filter((step) => step !== EVERY_STEP && plan.nodes[step] === undefined)
      .map((step): GraphProblem => {
        const known = Object.keys(plan.nodes).join(', ');
        const message = `Correct steps.${step}: no step has this id; they are called ${known}.`;
        return { code: 'unknown_step', severity: 'blocker', node_id: id, pointer: '/primary_steps', message };
      }),
  );
}
