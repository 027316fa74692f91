import type { ASTNode } from '@marcbachmann/cel-js';
import { celTree, childrenOf } from './cel.js';
import { lonePath, variablesOf, type Segments } from './liquid.js';
import type { Reads } from './plan.js';
import type { Json } from './values.js';

/** Stands among `steps` for every node: which one is only known when the expression runs. */
export const EVERY_STEP = '*';

/** Which names an expression uses; more than it needs, where that cannot be told. */
export function readsOfExpr(expr: string): Reads {
  return mergeReads(...readsOfTree(celTree(expr)));
}

export function readsOfTemplate(template: string): Reads {
  return mergeReads(...variablesOf(template).map(readsOfSegments));
}

export function readsOfMapping(mapping: Json): Reads {
  if (typeof mapping === 'string') {
    const path = lonePath(mapping);
    return readsOfTemplate(path === null ? mapping : `{{ ${path} }}`);
  }
  if (mapping === null || typeof mapping !== 'object') return {};
  const expr = exprOf(mapping);
  if (expr !== null) return readsOfExpr(expr);
  return mergeReads(...Object.values(mapping).map(readsOfMapping));
}

/** The CEL text of `{"$expr": "..."}`. */
export function exprOf(mapping: Json): string | null {
  if (mapping === null || typeof mapping !== 'object' || Array.isArray(mapping)) return null;
  const entries = Object.entries(mapping);
  const [key, value] = entries[0] ?? [];
  return entries.length === 1 && key === '$expr' && typeof value === 'string' ? value : null;
}

export function mergeReads(...reads: readonly Reads[]): Reads {
  const steps = [...new Set(reads.flatMap((each) => each.steps ?? []))].toSorted();
  return {
    ...(reads.some((each) => each.vars) ? { vars: true } : {}),
    ...(steps.length > 0 ? { steps: steps.includes(EVERY_STEP) ? [EVERY_STEP] : steps } : {}),
    ...(reads.some((each) => each.run) ? { run: true } : {}),
    ...(reads.some((each) => each.item) ? { item: true } : {}),
    ...(reads.some((each) => each.message) ? { message: true } : {}),
  };
}

/** The outputs as the expressions that read them call them. */
export const namedSteps = <T>(
  outputs: Readonly<Record<string, T>>,
  { steps = [], prefix = '' }: Reads,
): Readonly<Record<string, T>> =>
  Object.fromEntries(
    steps.flatMap((id): readonly (readonly [string, T])[] => {
      const output = outputs[id];
      if (output === undefined) return [];
      return [[id.startsWith(prefix) ? id.slice(prefix.length) : id, output]];
    }),
  );

function readsOfName(name: string): Reads {
  switch (name) {
    case 'vars':
      return { vars: true };
    case 'steps':
      return { steps: [EVERY_STEP] };
    case 'run':
      return { run: true };
    case 'item':
    case 'index':
      return { item: true };
    case 'message':
      return { message: true };
    default:
      return {};
  }
}

function readsOfTree(node: ASTNode): readonly Reads[] {
  const step = stepOf(node);
  if (step !== null) return [{ steps: [step] }];
  if (node.op === 'id') return [readsOfName(node.args)];
  return childrenOf(node).flatMap(readsOfTree);
}

/** The id in `steps.id`, `steps.?id`, `steps["id"]` and `"id" in steps`. */
function stepOf(node: ASTNode): string | null {
  if (node.op === '.' || node.op === '.?') return isSteps(node.args[0]) ? node.args[1] : null;
  if (node.op === '[]' || node.op === '[?]') return isSteps(node.args[0]) ? literal(node.args[1]) : null;
  return node.op === 'in' && isSteps(node.args[1]) ? literal(node.args[0]) : null;
}

const isSteps = (node: ASTNode): boolean => node.op === 'id' && node.args === 'steps';
const literal = (node: ASTNode): string | null =>
  node.op === 'value' && typeof node.args === 'string' ? node.args : null;

function readsOfSegments([root, first, ...rest]: Segments): Reads {
  const inner = [root, first, ...rest].filter((each) => Array.isArray(each)).map(readsOfSegments);
  if (typeof root !== 'string') return mergeReads(...inner);
  const own = root === 'steps' && typeof first === 'string' ? { steps: [first] } : readsOfName(root);
  return mergeReads(own, ...inner);
}
