import { Environment, serialize, type ASTNode, type ParseResult } from '@marcbachmann/cel-js';
import { ExpressionError, textOfResult, toJson } from './cel-results.js';
import { linearPattern, PatternProblem } from './linear-pattern.js';
import type { Json } from './values.js';

/** CEL as the platform speaks it: JSON numbers are doubles, and literals such as `1` mix with them. */

export type Names = Readonly<Record<string, Json>>;

/** What every expression and template may read. */
export const KNOWN_NAMES = ['input', 'text', 'vars', 'steps', 'run', 'item', 'index', 'message'] as const;

const REMEMBERED = 500;
const MOST_NODES = 2_000;
/** Lists in lists in lists: a fourth loop inside would take for ever on lists of ordinary length. */
const DEEPEST_LOOP = 3;
const loops = new Set(['map', 'filter', 'all', 'exists', 'exists_one']);

type Arithmetic = (left: number, right: number) => number;
const arithmetic: Readonly<Record<string, Arithmetic>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  '%': (left, right) => left % right,
};

/** What `matches` is made into: CEL's own would hand an author's pattern to an engine that it can stop for ever. */
const LINEAR = 'matchesPattern';

const environment = createEnvironment({ isStrict: false });
const checker = createEnvironment({ isStrict: true });
for (const name of KNOWN_NAMES) checker.registerVariable(name, 'dyn');
const programs = new Map<string, ParseResult>();

function createEnvironment({ isStrict }: { readonly isStrict: boolean }): Environment {
  const env = new Environment({
    unlistedVariablesAreDyn: !isStrict,
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: true,
    limits: { maxAstNodes: MOST_NODES, maxDepth: 100 },
  });
  registerNumbers(env);
  registerTexts(env);
  return env;
}

/** CEL keeps whole and broken numbers apart; JSON does not, so neither may an author have to. */
function registerNumbers(env: Environment): void {
  for (const [operator, apply] of Object.entries(arithmetic)) {
    const mixed = (left: number | bigint, right: number | bigint): number => apply(Number(left), Number(right));
    env.registerOperator(`int ${operator} double: double`, mixed);
    env.registerOperator(`double ${operator} int: double`, mixed);
    if (operator === '%') env.registerOperator(`double ${operator} double: double`, mixed);
  }
  env.registerOperator('int == double: bool', (left: bigint, right: number) => Number(left) === right);
}

function registerTexts(env: Environment): void {
  env.registerFunction('lower(string): string', (value: string) => value.toLowerCase());
  env.registerFunction('upper(string): string', (value: string) => value.toUpperCase());
  env.registerFunction('string.lower(): string', (value: string) => value.toLowerCase());
  env.registerFunction('string.upper(): string', (value: string) => value.toUpperCase());
  env.registerFunction('string.replace(string, string): string', (value: string, from: string, to: string) =>
    value.replaceAll(from, () => to),
  );
  env.registerFunction('json(string): dyn', readJson);
  env.registerFunction('text(dyn): string', textOfResult);
  env.registerFunction('truthy(dyn): bool', isTruthy);
  env.registerFunction(`string.${LINEAR}(string): bool`, fits);
  const cut = (value: string, from: number, to?: number): string => {
    if (from >= 0 && from <= value.length && (to === undefined || (to >= from && to <= value.length)))
      return value.slice(from, to);
    throw new ExpressionError(`substring(${from}${to === undefined ? '' : `, ${to}`}) goes beyond the text`);
  };
  env.registerFunction('string.substring(double): string', cut);
  for (const kinds of ['double, double', 'int, double', 'double, int']) {
    env.registerFunction(`string.substring(${kinds}): string`, (value: string, from: number, to: number) =>
      cut(value, Number(from), Number(to)),
    );
  }
  // the functions of bytes need more than the sandbox of a workflow has; without them both sides agree
  env.registerFunction('round(double): double', (value: number) => Math.round(value));
  env.registerFunction('floor(double): double', (value: number) => Math.floor(value));
  env.registerFunction('ceil(double): double', (value: number) => Math.ceil(value));
}

function fits(text: string, pattern: string): boolean {
  try {
    return linearPattern(pattern).test(text);
  } catch (error) {
    if (error instanceof PatternProblem)
      throw new ExpressionError(`the pattern "${pattern.slice(0, 100)}" ${error.message}`);
    throw error;
  }
}

/** Nothing, no, zero and what is empty are false. */
function isTruthy(value: unknown): boolean {
  const json = toJson(value);
  if (Array.isArray(json)) return json.length > 0;
  return json !== null && json !== false && json !== 0 && json !== '' && json !== 'false';
}

function withLinearMatches(program: ParseResult): ParseResult {
  const visit = (node: ASTNode): void => {
    const { op, args } = node as { readonly op: string; readonly args: unknown }; // -- reason: a tree of calls
    if (op === 'rcall' && Array.isArray(args) && args[0] === 'matches') args[0] = LINEAR;
    for (const child of childrenOf(node)) visit(child);
  };
  visit(program.ast);
  return program;
}

/** The patterns that stand in the expression itself. */
function writtenPatterns(node: ASTNode): readonly string[] {
  const inner = childrenOf(node).flatMap(writtenPatterns);
  if (node.op !== 'rcall' || String(node.args[0]) !== LINEAR) return inner;
  const [pattern] = node.args[2];
  return pattern?.op === 'value' && typeof pattern.args === 'string' ? [pattern.args, ...inner] : inner;
}

function readJson(text: string): Json {
  try {
    // -- reason: JSON.parse gives nothing else
    return JSON.parse(text) as Json;
  } catch {
    throw new ExpressionError('json() was given a text that is no JSON');
  }
}

/** What the expression evaluates to, as JSON. */
export function evaluateCel(expr: string, names: Names): Json {
  try {
    return toJson(programOf(expr)(names));
  } catch (error) {
    throw sentence(expr, error);
  }
}

/** Why the expression cannot be used, or null; `extra` are names known beside the usual ones. */
export function celProblem(expr: string, extra: readonly string[] = []): string | null {
  try {
    const ast = programOf(expr).ast;
    if (loopDepth(ast) > DEEPEST_LOOP) return `"${expr}" loops within loops more than ${DEEPEST_LOOP} deep.`;
    if (callsBytes(ast)) return `"${expr}" uses bytes; work with strings instead.`;
    for (const pattern of writtenPatterns(ast)) fits('', pattern);
    const env = checker.clone();
    for (const name of extra) if (!env.hasVariable(name)) env.registerVariable(name, 'dyn');
    const check = withLinearMatches(env.parse(expr)).check();
    return check.valid ? null : sentence(expr, check.error).message;
  } catch (error) {
    return sentence(expr, error).message;
  }
}

export const celTree = (expr: string): ASTNode => {
  try {
    return programOf(expr).ast;
  } catch (error) {
    throw sentence(expr, error);
  }
};

function programOf(expr: string): ParseResult {
  const known = programs.get(expr);
  if (known !== undefined) return known;
  const program = withLinearMatches(environment.parse(expr));
  if (programs.size >= REMEMBERED) programs.clear();
  programs.set(expr, program);
  return program;
}

/** The nodes right below this one. */
export function childrenOf(node: ASTNode): readonly ASTNode[] {
  const found: ASTNode[] = [];
  const collect = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(collect);
    else if (isNode(value)) found.push(value);
  };
  collect(node.args);
  return found;
}

const isNode = (value: unknown): value is ASTNode =>
  typeof value === 'object' && value !== null && 'op' in value && 'args' in value;

function loopDepth(node: ASTNode): number {
  const below = Math.max(0, ...childrenOf(node).map(loopDepth));
  return node.op === 'rcall' && loops.has(node.args[0]) ? below + 1 : below;
}

function callsBytes(node: ASTNode): boolean {
  const own =
    (node.op === 'call' && node.args[0] === 'bytes') || (node.op === 'value' && node.args instanceof Uint8Array);
  return own || childrenOf(node).some(callsBytes);
}

function sentence(expr: string, error: unknown): ExpressionError {
  if (error instanceof ExpressionError) return new ExpressionError(`${error.message}, in "${expr}".`);
  const { code, summary, node } = partsOf(error);
  if ((code === 'no_such_key' || code === 'index_out_of_bounds') && node !== null)
    return new ExpressionError(missing(expr, node));
  if (code === 'unknown_variable') {
    const known = KNOWN_NAMES.join(', ');
    return new ExpressionError(`${summary}, in "${expr}"; expressions know ${known}.`);
  }
  const hint = /no such overload: .*string \+|no such overload: .* \+ .*string/.test(summary)
    ? '; text(value) makes a text of any value'
    : '';
  return new ExpressionError(`${summary}, in "${expr}"${hint}.`);
}

function partsOf(error: unknown): {
  readonly code: string;
  readonly summary: string;
  readonly node: ASTNode | null;
} {
  if (!(error instanceof Error)) return { code: '', summary: String(error), node: null };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const summary = 'summary' in error && typeof error.summary === 'string' ? error.summary : error.message;
  const [first = ''] = summary.split('\n');
  return { code, summary: first, node: 'node' in error && isNode(error.node) ? error.node : null };
}

function missing(expr: string, node: ASTNode): string {
  const field = serialize(node);
  const where = field === expr ? '' : `, in "${expr}"`;
  const cure =
    node.op === '.'
      ? `; has(${field}) asks for it, ${serialize(node.args[0])}.?${node.args[1]}.orValue(...) gives a default`
      : '';
  return `${field} is missing${where}${cure}.`;
}
