import type { z } from 'zod';
import { ApiError, invalid, type ErrorDetail } from './errors.js';
import { sentenceOf } from './sentences.js';

export type InvalidStatus = 400 | 422;
type Place = 'body' | 'query' | 'path';
type Issue = z.core.$ZodIssue;

/** The parsed value, or an error that names every field at fault. */
export function validate(schema: z.ZodType, value: unknown, at: { place: Place; status: InvalidStatus }): unknown {
  const result = schema.safeParse(value, { error: sentenceOf });
  if (result.success) return result.data;
  throw refusal(
    at.status,
    result.error.issues.flatMap((issue) => detailsOf(issue, { place: at.place, value, prefix: [] })),
  );
}

export function refusal(status: InvalidStatus, details: readonly ErrorDetail[]): ApiError {
  const error = invalid(details);
  return status === 422 ? error : new ApiError(400, error.message, { details });
}

interface Where {
  readonly place: Place;
  readonly value: unknown;
  readonly prefix: readonly PropertyKey[];
}

function detailsOf(issue: Issue, where: Where): readonly ErrorDetail[] {
  const path = [...where.prefix, ...issue.path];
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) =>
      detail(where, [...path, key], { message: 'is not a known field', type: 'extra_forbidden' }),
    );
  if (issue.code === 'invalid_union') {
    const branch = closestBranch(issue.errors);
    if (branch !== undefined) return branch.flatMap((inner) => detailsOf(inner, { ...where, prefix: path }));
  }
  const isMissing = issue.code === 'invalid_type' && valueAt(where.value, path) === undefined;
  return [
    detail(
      where,
      path,
      isMissing ? { message: 'is required', type: 'missing' } : { message: issue.message, type: issue.code },
    ),
  ];
}

function detail({ place }: Where, path: readonly PropertyKey[], more: { message: string; type: string }): ErrorDetail {
  const parts = path.map((part) => (typeof part === 'number' ? part : String(part)));
  const shown = place === 'body' && parts.length > 0 ? parts : [place, ...parts];
  return { field: shown.join('.'), loc: [place, ...parts], ...more };
}

/** Of a union's failed branches the one that fitted furthest says best what is wrong. */
function closestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const depthOf = (issues: readonly Issue[]): number => Math.min(...issues.map(({ path }) => path.length));
  const [best] = branches
    .filter((issues) => issues.length > 0 && depthOf(issues) > 0)
    .toSorted((a, b) => a.length - b.length);
  return best;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  );
}
