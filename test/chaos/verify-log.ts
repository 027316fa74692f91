import type { Evidence, LogRow, RunRow } from './evidence.js';
import type { Follower, Heard } from './followers.js';

/** The log of each run is whole and never goes back, and whoever followed it heard all of it, once, in order. */
export function logViolations({ follower, followers }: Evidence, runs: readonly RunRow[]): readonly string[] {
  return [
    ...runs.flatMap(({ id, eventSeq, log }) => [...gaps(id, eventSeq, log), ...stepsBack(id, log)]),
    ...[...followers].flatMap(([id, each]) => {
      const log = runs.find((row) => row.id === id)?.log ?? [];
      return differences(`the stream of ${id}`, heardOf(each), log.map(textOf));
    }),
    ...streamViolations(follower, runs),
  ];
}

function gaps(id: string, eventSeq: number, log: readonly LogRow[]): readonly string[] {
  const isWhole = log.every(({ seq }, index) => seq === index + 1) && log.length === eventSeq;
  return isWhole ? [] : [`the log of ${id} has a gap: ${log.map(({ seq }) => seq).join(' ')} of ${eventSeq}`];
}

/** What has ended stays as it ended; a step that failed may be parked, and tried again, by a person. */
function stepsBack(id: string, log: readonly LogRow[]): readonly string[] {
  const last = new Map<string, string>();
  const found: string[] = [];
  for (const { seq, type, data } of log) {
    const status = String(data['status']);
    const name = nameOf(type, data);
    if (name === null) continue;
    const before = last.get(name);
    const isOver = before !== undefined && overOf(type).includes(before);
    if (before !== status && (isOver || (status === 'queued' && before !== undefined)))
      found.push(`${id}: ${name} went from ${before} back to ${status} at ${seq}`);
    last.set(name, status);
  }
  return found;
}

function nameOf(type: string, data: LogRow['data']): string | null {
  if (type === 'run') return 'the run';
  if (type === 'step') return `step ${String(data['key'])}`;
  return type === 'wait' ? `wait ${String(data['token'])}` : null;
}

function overOf(type: string): readonly string[] {
  if (type === 'run') return ['completed', 'failed', 'cancelled'];
  return type === 'step' ? ['completed', 'cancelled'] : ['approved', 'denied', 'resolved', 'expired', 'cancelled'];
}

const textOf = ({ seq, type, data }: LogRow): string => `${seq} ${type} ${String(data['status'])}`;

const heardOf = ({ heard }: Follower): readonly string[] =>
  heard.map(({ event, data }) => `${String(data['seq'])} ${event} ${String(data['status'])}`);

function differences(what: string, heard: readonly string[], log: readonly string[]): readonly string[] {
  if (JSON.stringify(heard) === JSON.stringify(log)) return [];
  const at = log.findIndex((line, index) => heard[index] !== line);
  const where = at < 0 ? `after ${log.length} it said ${heard[log.length]}` : `"${log[at]}" came as "${heard[at]}"`;
  return [`${what} is not the log: ${heard.length} messages for ${log.length}; ${where}`];
}

/** The stream of the workspace: of each run what the topics name, once, in order, from before the first run. */
function streamViolations({ heard }: Follower, runs: readonly RunRow[]): readonly string[] {
  const anew = heard.filter(({ event }) => event === 'ready').length;
  const byRun = new Map<string, Heard[]>();
  for (const message of heard) {
    const id = String(message.data['run_id']);
    byRun.set(id, [...(byRun.get(id) ?? []), message]);
  }
  return [
    ...(anew <= 1 ? [] : [`the stream of the workspace began anew ${anew - 1} times`]),
    ...runs.flatMap(({ id, log }) => {
      const wanted = log.filter(isTopic).map(textOf);
      const got = (byRun.get(id) ?? []).map(
        ({ event, data }) => `${String(data['seq'])} ${event} ${String(data['status'])}`,
      );
      return differences(`what the stream of the workspace says of ${id}`, got, wanted);
    }),
  ];
}

export const isTopic = ({ type }: Pick<LogRow, 'type'>): boolean => ['run', 'wait', 'vote'].includes(type);
