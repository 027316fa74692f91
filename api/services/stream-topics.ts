import type { Database } from '../../db/client.js';
import type { LogFilter, LogPosition, LoggedEvent } from '../../db/run-events.js';
import { scoped } from '../../db/scoped.js';
import { invalid, notFound, type ApiError, type ErrorDetail } from '../http/errors.js';

/** What a multiplexed stream is about: names such as `runs` and `run:<id>`, each once. */
export type Topics = readonly string[];

const MOST_TOPICS = 50;
const wholeTopics: ReadonlySet<string> = new Set(['runs', 'waits', 'calls']);
const ofOne = /^(run|definition|call):(\w{1,64})$/;
const choice = 'runs, waits, calls, run:<id>, call:<id> or definition:<id>';

/** `run:<id>,runs,waits,calls,definition:<id>`. */
export const readTopics = (text: string): Topics =>
  checkNames(
    text
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
    { field: 'query.topics', loc: ['query', 'topics'] },
  );

/** Names as a client gave them, each once; `place` is where they stand. */
export function checkNames(given: readonly string[], place: Omit<ErrorDetail, 'message'>): Topics {
  const names = [...new Set(given)];
  const refuse = (message: string): ApiError => invalid([{ ...place, message }]);
  const stranger = names.find((name) => !wholeTopics.has(name) && !ofOne.test(name));
  if (stranger !== undefined) throw refuse(`"${stranger.slice(0, 100)}" is no topic; use ${choice}`);
  if (names.length === 0) throw refuse(`must name at least one of ${choice.replace(' or ', ' and ')}`);
  if (names.length > MOST_TOPICS) throw refuse(`must have at most ${MOST_TOPICS} topics`);
  return names;
}

const idsOf = (topics: Topics, kind: string): readonly string[] =>
  topics.flatMap((name) => (name.startsWith(`${kind}:`) ? [name.slice(kind.length + 1)] : []));

export const filterOf = (topics: Topics): LogFilter => ({
  runs: topics.includes('runs'),
  waits: topics.includes('waits'),
  calls: topics.includes('calls'),
  callIds: idsOf(topics, 'call'),
  runIds: idsOf(topics, 'run'),
  definitionIds: idsOf(topics, 'definition'),
});

/** A topic of another workspace's run or definition is as unknown as one of none. */
export async function checkTopics(db: Database, workspaceId: string, topics: Topics): Promise<void> {
  for (const [table, what] of [
    ['runs', 'run'],
    ['runs', 'call'],
    ['definitions', 'definition'],
  ] as const) {
    const ids = idsOf(topics, what);
    if (ids.length === 0) continue;
    const rows = await scoped(db, workspaceId).select(table).select('id').where('id', 'in', ids).execute();
    const missing = ids.find((id) => !rows.some((row) => row.id === id));
    if (missing !== undefined) throw notFound(what, missing);
  }
}

/** Every topic an event belongs to. */
export function topicsOf({ run_id, type, data }: LoggedEvent): Topics {
  const { definition_id: definitionId } = data;
  return [
    ...(type === 'run' ? ['runs'] : []),
    ...(type === 'wait' || type === 'vote' ? ['waits'] : []),
    ...(type === 'call' ? ['calls', `call:${run_id}`] : []),
    `run:${run_id}`,
    ...(type === 'run' && typeof definitionId === 'string' ? [`definition:${definitionId}`] : []),
  ];
}

export const positionText = ({ xid, id }: LogPosition): string => `${xid}-${id}`;

/** Undefined for what is none. */
export function readPosition(text: string): LogPosition | undefined {
  const [, xid, id] = /^(\d{1,19})-(\d{1,18})$/.exec(text) ?? [];
  return xid === undefined || id === undefined ? undefined : { xid, id };
}
