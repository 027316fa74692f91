import type { z } from 'zod';

/** What stands between a document and its publication, or is likely to be a mistake. */
export interface GraphProblem {
  readonly code: string;
  readonly severity: 'blocker' | 'warning';
  readonly node_id?: string;
  readonly edge_id?: string;
  /** JSON pointer into the document. */
  readonly pointer: string;
  /** A sentence that says how to mend it. */
  readonly message: string;
}

export type Path = readonly (string | number)[];

export const pointerOf = (path: Path): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** What zod found, as sentences that name the key. */
export function issueMessage(issue: z.core.$ZodIssue, owner: string): string {
  const key = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const names = issue.keys.map((each) => [...issue.path, each].join('.')).join(', ');
    return `Remove ${names}: ${owner} has no such key.`;
  }
  if (issue.code === 'invalid_type' && issue.input === undefined && /received undefined/.test(issue.message))
    return `Set ${key}: ${owner} needs it.`;
  return `Correct ${key === '' ? owner : key}: ${lowerFirst(issue.message)}.`;
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1).replace(/\.$/, '');
