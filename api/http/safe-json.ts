import type { ErrorDetail } from './errors.js';

const maxDepth = 128;
const loneSurrogate = /\p{Surrogate}/u;

interface Visit {
  readonly value: unknown;
  readonly depth: number;
  readonly key: string | number;
  readonly parent: Visit | undefined;
}

/**
 * The first thing in a parsed body that would hurt later: characters Postgres cannot store, keys that reach prototypes,
 * nesting that overflows recursive code. A loop, not a recursion: the nesting is the caller's to choose.
 */
export function findUnsafe(body: unknown): ErrorDetail | undefined {
  const open: Visit[] = [{ value: body, depth: 0, key: 'body', parent: undefined }];
  for (let visit = open.pop(); visit !== undefined; visit = open.pop()) {
    const message = problemOf(visit);
    if (message !== undefined) return { field: fieldOf(visit), message };
    pushChildren(open, visit);
  }
  return undefined;
}

const tooDeep = `is nested deeper than ${maxDepth} levels`;

/** Of nesting alone, before anything recursive touches the value. */
export function depthProblem(body: unknown): string | undefined {
  const open: Visit[] = [{ value: body, depth: 0, key: 'body', parent: undefined }];
  for (let visit = open.pop(); visit !== undefined; visit = open.pop()) {
    if (visit.depth > maxDepth) return tooDeep;
    pushChildren(open, visit);
  }
  return undefined;
}

function problemOf({ value, depth, key, parent }: Visit): string | undefined {
  if (typeof key === 'string') {
    const problem = problemOfKey(key, parent);
    if (problem !== undefined) return problem;
  }
  if (typeof value === 'string') return problemOfText(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return 'is a number out of range';
  return depth > maxDepth ? tooDeep : undefined;
}

function problemOfKey(key: string, parent: Visit | undefined): string | undefined {
  if (parent === undefined) return undefined;
  if (key === '__proto__' || (key === 'prototype' && parent.key === 'constructor')) return 'is not allowed as a key';
  return problemOfText(key);
}

export function problemOfText(text: string): string | undefined {
  if (text.includes('\0')) return 'holds a NUL character (\\u0000), which cannot be stored';
  return loneSurrogate.test(text) ? 'holds half of a surrogate pair, which is no character' : undefined;
}

function pushChildren(open: Visit[], parent: Visit): void {
  const { value, depth } = parent;
  if (typeof value !== 'object' || value === null) return;
  const entries: readonly (readonly [string | number, unknown])[] = Array.isArray(value)
    ? value.map((item: unknown, index) => [index, item] as const)
    : Object.entries(value);
  // backwards, so that the first problem in the document is the one reported
  for (const [key, child] of entries.toReversed()) open.push({ value: child, depth: depth + 1, key, parent });
}

function fieldOf(visit: Visit): string {
  const parts: string[] = [];
  for (let at: Visit | undefined = visit; at?.parent !== undefined; at = at.parent) parts.unshift(showKey(at.key));
  return parts.length === 0 || parts.length > maxDepth ? 'body' : parts.join('.');
}

const showKey = (key: string | number): string => JSON.stringify(String(key)).slice(1, -1).slice(0, 100);
