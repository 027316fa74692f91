import type { Database } from '../../db/client.js';
import type { LogFilter, LogPosition, LoggedEvent } from '../../db/run-events.js';
import { scoped } from '../../db/scoped.js';
import { invalid, notFound, type ApiError } from '../http/errors.js';

/** What a multiplexed stream is about. */
export type Topics = LogFilter;

const MOST_TOPICS = 50;

/** `run:<id>,runs,waits,definition:<id>`. */
export function readTopics(text: string): Topics {
  const names = [...new Set(text.split(',').map((name) => name.trim()))].filter((name) => name !== '');
  const idsOf = (prefix: string): readonly string[] =>
    names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  const known = (name: string): boolean => name === 'runs' || name === 'waits' || /^(run|definition):\w+$/.test(name);
  const stranger = names.find((name) => !known(name));
  if (stranger !== undefined)
    throw badTopics(`"${stranger.slice(0, 100)}" is no topic; use runs, waits, run:<id> or definition:<id>`);
  if (names.length === 0) throw badTopics('must name at least one of runs, waits, run:<id> and definition:<id>');
  if (names.length > MOST_TOPICS) throw badTopics(`must have at most ${MOST_TOPICS} topics`);
  return {
    runs: names.includes('runs'),
    waits: names.includes('waits'),
    runIds: idsOf('run:'),
    definitionIds: idsOf('definition:'),
  };
}

const badTopics = (message: string): ApiError =>
  invalid([{ field: 'query.topics', loc: ['query', 'topics'], message }]);

/** A topic of another workspace's run or definition is as unknown as one of none. */
export async function checkTopics(db: Database, workspaceId: string, topics: Topics): Promise<void> {
  for (const [table, ids, what] of [
    ['runs', topics.runIds, 'run'],
    ['definitions', topics.definitionIds, 'definition'],
  ] as const) {
    if (ids.length === 0) continue;
    const rows = await scoped(db, workspaceId).select(table).select('id').where('id', 'in', ids).execute();
    const missing = ids.find((id) => !rows.some((row) => row.id === id));
    if (missing !== undefined) throw notFound(what, missing);
  }
}

/** The topics an event belongs to, of those that are followed. */
export function topicsOf(topics: Topics, { run_id, type, data }: LoggedEvent): readonly string[] {
  const { definition_id: definitionId } = data;
  return [
    ...(topics.runs && type === 'run' ? ['runs'] : []),
    ...(topics.waits && (type === 'wait' || type === 'vote') ? ['waits'] : []),
    ...(topics.runIds.includes(run_id) ? [`run:${run_id}`] : []),
    ...(type === 'run' && typeof definitionId === 'string' && topics.definitionIds.includes(definitionId)
      ? [`definition:${definitionId}`]
      : []),
  ];
}

export const positionText = ({ xid, id }: LogPosition): string => `${xid}-${id}`;

/** Undefined for what is none. */
export function readPosition(text: string): LogPosition | undefined {
  const [, xid, id] = /^(\d{1,19})-(\d{1,18})$/.exec(text) ?? [];
  return xid === undefined || id === undefined ? undefined : { xid, id };
}
