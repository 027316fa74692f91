import type { NodeError } from '../workflows/contract/failures.js';

/** What differs between two failures of one cause: quoted parts, ids, numbers. */
const particulars: readonly (readonly [RegExp, string])[] = [
  [/"[^"]*"|'[^']*'|`[^`]*`/g, '?'],
  [/\b[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\b/gi, '?'],
  [/\b[a-z]{2,8}_[\da-z]{16,}\b/gi, '?'],
  [/\b(?=[a-f]*\d)[\da-f]{12,}\b/gi, '?'],
  [/\d+(?:[.,:]\d+)*/g, '#'],
  [/\s+/g, ' '],
];

/** What failures of the same cause in the same node have in common. */
export function failureShape({ node_id: nodeId = '', type, message }: NodeError): string {
  const text = particulars.reduce((rest, [pattern, by]) => rest.replace(pattern, by), message);
  return [nodeId, type, text.trim().slice(0, 500)].join('\n');
}
