import { ExpressionError } from '../cel-results.js';
import { celTree, childrenOf } from '../cel.js';
import { exprProblem, mappingProblem, templateProblem } from '../expressions.js';
import type { Path } from '../problems.js';
import { strayProblem } from '../secret-problem.js';
import type { Json } from '../values.js';

/** What is wrong in the configuration of an agent or a tool, beyond its shape. */
export interface ConfigProblem {
  /** Into the configuration. */
  readonly path: Path;
  /** The end of a sentence that begins with the path. */
  readonly message: string;
}

/** What the texts of agents and tools read beside the names of every run. */
export const TURN_NAMES = ['user', 'context', 'flags', 'workflow', 'tenant', 'now', 'params', 'agent'] as const;

export const problem = (path: Path, message: string | null): readonly ConfigProblem[] =>
  message === null ? [] : [{ path, message: ending(message) }];

/** Sentences of the compilers, as endings. */
const ending = (message: string): string => message.replace(/^The template/, 'the template').replace(/\.$/, '');

/** A text that a model or a person is told. */
export const spokenProblems = (path: Path, text: string | undefined): readonly ConfigProblem[] =>
  text === undefined ? [] : problem(path, strayProblem(text) ?? templateProblem(text));

export const mappingProblems = (path: Path, mapping: Json | undefined): readonly ConfigProblem[] =>
  mapping === undefined ? [] : problem(path, mappingProblem(mapping, TURN_NAMES));

/** A condition is CEL, or a path such as `flags.verified` that is to be truthy; a bare name is one of the context. */
export function conditionProblem(text: string): string | null {
  const written = text.replaceAll(/\{\{-?\s*([^{}]*?)\s*-?\}\}/g, '$1').trim();
  try {
    return exprProblem(written, [...TURN_NAMES, ...namesIn(celTree(written))]);
  } catch (error) {
    if (error instanceof ExpressionError) return error.message;
    throw error;
  }
}

type Tree = ReturnType<typeof celTree>;

const namesIn = (node: Tree): readonly string[] =>
  node.op === 'id' ? [String(node.args)] : childrenOf(node).flatMap(namesIn);

/** What is named again, with the place of the second. */
export const doubles = <T>(
  items: readonly T[],
  nameOf: (item: T) => string,
): readonly (readonly [number, string])[] => {
  const names = items.map(nameOf);
  return names.flatMap((name, index) => (names.indexOf(name) === index ? [] : [[index, name] as const]));
};
