import { stringify } from 'csv-stringify/sync';
import type { AuditRow } from '../../db/audit.js';

export type ExportFormat = 'csv' | 'jsonl';

const columns = [
  ...(['seq', 'id', 'created_at', 'actor_type', 'actor_id', 'ip', 'action', 'entity_type', 'entity_id'] as const),
  ...(['request_id', 'tenant_id', 'metadata', 'before', 'after', 'prev_hash', 'hash'] as const),
] as const;

/** A page of rows at a time, so that a long log is never held whole. */
export async function* auditText(
  pages: AsyncIterable<readonly AuditRow[]>,
  format: ExportFormat,
): AsyncIterable<string> {
  if (format === 'csv') yield csvOf([], true);
  for await (const rows of pages) yield format === 'csv' ? csvOf(rows, false) : linesOf(rows);
}

const pick = (row: AuditRow): Readonly<Record<string, unknown>> =>
  Object.fromEntries(columns.map((column) => [column, row[column]]));

const linesOf = (rows: readonly AuditRow[]): string => rows.map((row) => `${JSON.stringify(pick(row))}\n`).join('');

/** A value that a spreadsheet would take for a formula is escaped. */
function csvOf(rows: readonly AuditRow[], header: boolean): string {
  return stringify(rows.map(pick), {
    header,
    columns: [...columns],
    escape_formulas: true,
    record_delimiter: 'windows',
    cast: { date: (at) => at.toISOString(), object: (value) => JSON.stringify(value) },
  });
}
