import type { Json } from '../../workflows/definition/values.js';

/** One sentence a key; whoever translates has the key and the parameters. */

export type Params = Readonly<Record<string, Json>>;

const text = (value: Json | undefined): string => (typeof value === 'string' ? value : JSON.stringify(value ?? null));

/** Without its last full stop, to stand within a sentence. */
const within = (value: Json | undefined): string => text(value).replace(/[.\s]+$/, '');

const when = (isThere: Json | undefined, words: string): string =>
  isThere === null || isThere === undefined || isThere === '' || isThere === 0 ? '' : words;

const until = ({ until: at }: Params): string => when(at, `, until ${text(at)}`);

const others = ({ others: count }: Params): string =>
  when(count, ` Besides, ${text(count)} other step${count === 1 ? ' is' : 's are'} under way.`);

function who({ audience }: Params): string {
  if (!Array.isArray(audience) || audience.length === 0) return 'anyone who may decide';
  const names = audience.map((each) => text(each).replace(/^role:(.*)$/, 'the role $1 or above'));
  return names.length === 1 ? text(names[0]) : `${names.slice(0, -1).join(', ')} or ${text(names.at(-1))}`;
}

const votes = ({ approvals, rejections, quorum }: Params): string =>
  `${text(approvals)} of ${text(quorum)} approval${quorum === 1 ? '' : 's'}` +
  `${when(rejections, ` and ${text(rejections)} rejection${rejections === 1 ? '' : 's'}`)} so far`;

export const sentences = {
  'queued.temporal_away': (p) =>
    `The run has been queued for ${text(p['seconds'])} s, because Temporal does not answer; it starts as soon as that does.`,
  'queued.no_worker': (p) =>
    `The run has been queued for ${text(p['seconds'])} s, because no worker asks the queue "${text(p['queue'])}" for work; start one.`,
  'queued.not_started': (p) =>
    `The run has been queued for ${text(p['seconds'])} s and Temporal has not been told of it yet; that is repeated until it is.`,
  'queued.by_parent': (p) =>
    `The run has been queued for ${text(p['seconds'])} s; the run ${text(p['parent_run_id'])} is about to start it.`,
  'queued.starting': (p) => `The run has been queued for ${text(p['seconds'])} s; a worker is about to take it up.`,
  'waiting.decision': (p) =>
    `The run waits at "${text(p['label'])}" for the decision of ${who(p)}: ${votes(p)}${until(p)}.${others(p)}`,
  'waiting.event': (p) =>
    `The run waits at "${text(p['label'])}" for the event "${text(p['name'])}"${when(p['event_key'], ` with the key "${text(p['event_key'])}"`)}${until(p)}.${others(p)}`,
  'waiting.message': (p) =>
    `The run waits at "${text(p['label'])}" for the next message of its user${until(p)}.${others(p)}`,
  'waiting.time': (p) =>
    `The run waits at "${text(p['label'])}" ${p['until'] === null ? 'for its time to come' : `until ${text(p['until'])}`}.${others(p)}`,
  'waiting.parked': (p) =>
    `The run is parked at "${text(p['label'])}" until somebody retries it, because it failed: ${within(p['message'])}.${others(p)}`,
  'waiting.outcome': (p) =>
    `The run waits at "${text(p['label'])}" for somebody to say whether it happened: ${within(p['message'])}.${others(p)}`,
  'running.temporal_away': (p) =>
    `The run was ${text(p['status'])} when last heard of; Temporal does not answer, so nothing moves until it does.`,
  'running.no_worker': (p) =>
    `The run does not move, because no worker asks the queue "${text(p['queue'])}" for work; start one.`,
  'running.lost': (p) =>
    `The run counts as ${text(p['status'])}, but Temporal ${p['temporal_status'] === null ? 'knows no such run' : `has ended it as ${text(p['temporal_status'])}`}; terminate it to put the record right.`,
  'running.retrying': (p) =>
    `The run tries "${text(p['label'])}" again (attempt ${text(p['attempt'])}${when(p['max_attempts'], ` of ${text(p['max_attempts'])}`)}${when(p['next_at'], `, next at ${text(p['next_at'])}`)}), because the one before failed: ${within(p['message'])}.${others(p)}`,
  'running.activity': (p) => `The run executes "${text(p['label'])}", for ${text(p['seconds'])} s so far.${others(p)}`,
  'running.child': (p) =>
    `The run waits at "${text(p['label'])}" for the run ${text(p['child_run_id'])}${when(p['more_children'], ` and ${text(p['more_children'])} more`)}. Of that: ${text(p['child'])}`,
  'running.between_steps': () => 'The run is under way; no step is being executed at this moment.',
  paused: (p) =>
    `The run is paused: nothing new starts until it is unpaused.${when(p['open_steps'], ` ${text(p['open_steps'])} of its steps still ${p['open_steps'] === 1 ? 'is' : 'are'} under way.`)}`,
  cancelling: (p) =>
    `The run is being cancelled since ${text(p['since'])}; ${p['stopping'] === '' ? 'it is about to end' : `still stopping: ${text(p['stopping'])}`}.`,
  completed: (p) => `The run completed at ${text(p['at'])}.`,
  cancelled: (p) => `The run was cancelled at ${text(p['at'])}.`,
  failed: (p) => `The run failed${when(p['label'], ` at "${text(p['label'])}"`)}: ${within(p['message'])}.`,
} as const satisfies Readonly<Record<string, (params: Params) => string>>;

export type ExplainKey = keyof typeof sentences;
