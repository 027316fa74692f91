import type { StagedPlace, StagedRunFilter, StagedStatus } from '../../../db/staged-runs.js';
import { ApiError } from '../../http/errors.js';

/** What a list of runs is asked for; what cannot be read is a 400. */
export interface StagedRunQuery {
  readonly workflow_key?: string | undefined;
  readonly run_status?: string | undefined;
  readonly started_before?: string | undefined;
  readonly started_after?: string | undefined;
  readonly conversation_id?: string | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

export const stagedStatuses = [
  'running',
  'succeeded',
  'failed',
  'cancelled',
] as const satisfies readonly StagedStatus[];

const refused = (field: string, message: string): ApiError =>
  new ApiError(400, `${field}: ${message}`, {
    details: [{ field: `query.${field}`, loc: ['query', field], message }],
  });

export function filterOf(query: StagedRunQuery): StagedRunFilter {
  const { workflow_key: workflowKey, run_status: status, conversation_id: conversationId, cursor, limit } = query;
  return {
    workflowKey,
    conversationId,
    limit,
    status: statusOf(status),
    startedBefore: dateOf('started_before', query.started_before),
    startedAfter: dateOf('started_after', query.started_after),
    after: cursor === undefined || cursor === '' ? undefined : readCursor(cursor),
  };
}

function statusOf(status: string | undefined): StagedStatus | undefined {
  if (status === undefined) return undefined;
  const known = stagedStatuses.find((each) => each === status);
  if (known === undefined) throw refused('run_status', `must be one of ${stagedStatuses.join(', ')}.`);
  return known;
}

const ISO_DATE = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?$/;

function dateOf(field: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  // a plus in a query is a space
  const written = text.trim().replace(/ (\d\d:?\d\d)$/, '+$1');
  if (!isDate(written)) throw refused(field, 'must be a date such as 2026-03-01T12:00:00Z.');
  return /(?:Z|[+-]\d\d:?\d\d)$/.test(written.slice(10)) ? written : `${written}Z`;
}

/** The same day and month again: the 31st of June is no date. */
function isDate(text: string): boolean {
  if (!ISO_DATE.test(text) || Number.isNaN(Date.parse(text))) return false;
  const day = text.slice(0, 10);
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
}

export const writeCursor = ({ startedAt, id }: StagedPlace): string =>
  Buffer.from(JSON.stringify({ started_at: startedAt, id })).toString('base64url');

function readCursor(cursor: string): StagedPlace {
  const { started_at: startedAt, id } = fieldsOf(cursor);
  const isRight = typeof startedAt === 'string' && typeof id === 'string' && isDate(startedAt) && /^\w{1,60}$/.test(id);
  if (!isRight) throw refused('cursor', 'is not a cursor of this list; take next_cursor of the page before.');
  return { startedAt, id };
}

function fieldsOf(cursor: string): Readonly<Record<string, unknown>> {
  try {
    const json: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    // -- reason: whatever its keys hold is checked by whoever reads them
    return typeof json === 'object' && json !== null ? (json as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}
