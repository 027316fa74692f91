import { serialize, type ASTNode } from '@marcbachmann/cel-js';
import { celTree } from '../cel.js';
import { ExpressionError } from '../cel-results.js';
import { exprProblem } from '../expressions.js';

/** Conditions of agents and their workflows: true or false, whatever is missing. */

/** What conditions read. `vars`: of the run, which hold the other three. */
const ROOTS = ['flags', 'context', 'user', 'vars'];
const FOREIGN = ['input', 'text', 'steps', 'run', 'item', 'index', 'message'];

/** `names`: evaluated where `flags`, `context` and `user` are names themselves; `vars`: where only variables are. */
export type TruthScope = 'names' | 'vars';

export type Truth = { readonly expr: string } | { readonly problem: string };

/**
 * A path such as `flags.verified`, a template `{{flags.verified}}` or CEL, as CEL that gives a boolean. null, false, "",
 * 0, "false" and an empty list are false; so is every comparison of what is missing. A bare `name` is `context.name`.
 */
export function truthCondition(text: string, scope: TruthScope): Truth {
  const written = text.replaceAll(/\{\{-?\s*([^{}]*?)\s*-?\}\}/g, '$1').trim();
  try {
    const tree = rooted(celTree(written));
    const foreign = namesIn(tree).find((name) => FOREIGN.includes(name));
    if (foreign !== undefined) return { problem: `"${text}" reads ${foreign}; conditions know ${ROOTS.join(', ')}.` };
    const expr = serialize(truthOf(tree, scope));
    const problem = exprProblem(expr, ROOTS);
    return problem === null ? { expr } : { problem };
  } catch (error) {
    if (error instanceof ExpressionError) return { problem: error.message };
    throw error;
  }
}

/** A tree that is only written out; it has no place in a text. */
interface Tree {
  readonly op: string;
  readonly args: unknown;
}

// -- reason: writing a tree out looks at `op` and `args` alone
const tree = (op: string, args: unknown): ASTNode => ({ op, args }) satisfies Tree as unknown as ASTNode;

/** A path that begins with none of the names is one in the context. */
function rooted(node: ASTNode): ASTNode {
  const root = rootOf(node);
  if (root === null || [...ROOTS, ...FOREIGN].includes(root)) return node;
  const inContext = (at: ASTNode): ASTNode =>
    at.op === 'id' ? tree('.', [tree('id', 'context'), at.args]) : replaceFirst(at, inContext);
  return inContext(node);
}

const isStep = ({ op }: ASTNode): boolean => ['.', '.?', '[]', '[?]'].includes(op);
const stepArgs = ({ args }: ASTNode): readonly [ASTNode, unknown] => args as unknown as readonly [ASTNode, unknown]; // -- reason: every step has these two

const replaceFirst = (node: ASTNode, change: (first: ASTNode) => ASTNode): ASTNode => {
  const [first, step] = stepArgs(node);
  return tree(node.op, [change(first), step]);
};

/** The name a path of members begins with; null for anything else. */
function rootOf(node: ASTNode): string | null {
  if (node.op === 'id') return String(node.args);
  if (!isStep(node)) return null;
  const [first, step] = stepArgs(node);
  const isPlain = node.op === '.' || node.op === '.?' || (step as ASTNode).op === 'value'; // -- reason: an index is a tree
  return isPlain ? rootOf(first) : null;
}

const isPath = (node: ASTNode): boolean => node.op !== 'id' && ROOTS.includes(rootOf(node) ?? '');
const isOptional = (node: ASTNode): boolean =>
  isStep(node) && (node.op.endsWith('?') || node.op === '[?]' || isOptional(stepArgs(node)[0]));

/** The names themselves, without the variables of `exists` and its like. */
function namesIn(node: ASTNode): readonly string[] {
  return node.op === 'id' ? [String(node.args)] : below(node).flatMap(namesIn);
}

function below(node: ASTNode): readonly ASTNode[] {
  const found: ASTNode[] = [];
  mapTree(node, (child) => {
    found.push(child);
    return child;
  });
  return found;
}

/** The same node with every child changed. */
function mapTree(node: ASTNode, change: (child: ASTNode) => ASTNode): ASTNode {
  const changed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(changed);
    return isNode(value) ? change(value) : value;
  };
  return tree(node.op, changed(node.args));
}

const isNode = (value: unknown): value is ASTNode =>
  typeof value === 'object' && value !== null && 'op' in value && 'args' in value;

const and = (left: ASTNode, right: ASTNode): ASTNode => tree('&&', [left, right]);

const BOOLEAN = ['<', '<=', '>', '>=', 'in'];
const ASKING = ['contains', 'startsWith', 'endsWith', 'matches', 'exists', 'all', 'exists_one', 'hasValue'];

function truthOf(node: ASTNode, scope: TruthScope): ASTNode {
  const parts = (): ASTNode => mapTree(node, (child) => truthOf(child, scope));
  if (node.op === '&&' || node.op === '||' || node.op === '!_' || node.op === '?:') return parts();
  if (node.op === 'call' && node.args[0] === 'has') return asked(node.args[1][0] ?? node, scope);
  if (node.op === '==' || node.op === '!=') {
    const sides = mapTree(node, (side) => (isPlainPath(side) ? valueOf(side, scope) : placed(side, scope)));
    return guarded(sides, below(node).filter((side) => !isPlainPath(side)).flatMap(pathsIn), scope);
  }
  if (isPlainPath(node)) return truthy(valueOf(node, scope));
  const isAsking = BOOLEAN.includes(node.op) || (node.op === 'rcall' && ASKING.includes(node.args[0]));
  const body = placed(node, scope);
  return guarded(isAsking ? body : truthy(body), pathsIn(node), scope);
}

const isPlainPath = (node: ASTNode): boolean => isPath(node) && !isOptional(node);
const truthy = (value: ASTNode): ASTNode => tree('call', ['truthy', [value]]);

/** Every plain path in an expression: without any of them it is false. */
function pathsIn(node: ASTNode): readonly ASTNode[] {
  if (isPath(node)) return isOptional(node) ? [] : [node];
  if (node.op === 'call' && node.args[0] === 'has') return [];
  return below(node).flatMap(pathsIn);
}

const guarded = (body: ASTNode, paths: readonly ASTNode[], scope: TruthScope): ASTNode =>
  paths.reduceRight((rest, path) => and(asked(path, scope), rest), body);

const asked = (path: ASTNode, scope: TruthScope): ASTNode =>
  tree('rcall', ['hasValue', optional(place(path, scope)), []]);

const valueOf = (path: ASTNode, scope: TruthScope): ASTNode =>
  tree('rcall', ['orValue', optional(place(path, scope)), [tree('value', null)]]);

/** Each step of a path may be missing. */
function optional(node: ASTNode): ASTNode {
  if (!isStep(node)) return node;
  const op = node.op === '.' ? '.?' : node.op === '[]' ? '[?]' : node.op;
  return tree(op, [optional(stepArgs(node)[0]), stepArgs(node)[1]]);
}

/** Where only variables are, the other names are those of variables. */
function place(node: ASTNode, scope: TruthScope): ASTNode {
  if (node.op !== 'id') return isStep(node) ? replaceFirst(node, (first) => place(first, scope)) : node;
  const name = String(node.args);
  return scope === 'names' || name === 'vars' || !ROOTS.includes(name) ? node : tree('.', [tree('id', 'vars'), name]);
}

function placed(node: ASTNode, scope: TruthScope): ASTNode {
  if (isPath(node) || node.op === 'id') return isOptional(node) ? optional(place(node, scope)) : place(node, scope);
  return mapTree(node, (child) => placed(child, scope));
}
