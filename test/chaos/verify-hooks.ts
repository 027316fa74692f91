import { plain, type Evidence, type Rows, type RunRow } from './evidence.js';
import { INBOUND, messageIds } from './hooks.js';

const ends: Readonly<Record<string, string>> = {
  completed: 'run.completed',
  failed: 'run.failed',
  cancelled: 'run.cancelled',
};

/** Each run's start and end was told under one id, always in the same words; each message began one run. */
export function hookViolations({ hooks, receiver }: Evidence, rows: Rows): readonly string[] {
  return [...receiver.complaints, ...toldViolations({ receiver }, rows), ...inboundViolations({ hooks }, rows)];
}

function toldViolations({ receiver }: Pick<Evidence, 'receiver'>, { runs }: Rows): readonly string[] {
  const ids = new Map<string, string[]>();
  for (const [id, { type, runId }] of receiver.told) {
    const name = `${type} of ${runId}`;
    ids.set(name, [...(ids.get(name) ?? []), id]);
  }
  const changed = [...receiver.told].flatMap(([id, { bodies }]) =>
    bodies.size === 1 ? [] : [`webhook ${id} came with ${bodies.size} different bodies`],
  );
  const wanted = runs.filter(({ parentId }) => parentId === null).flatMap(namesOf);
  const wrong = wanted.flatMap((name) => {
    const { length } = ids.get(name) ?? [];
    return length === 1 ? [] : [`${name} was told under ${length} ids`];
  });
  return [...changed, ...wrong];
}

const namesOf = ({ id, status }: RunRow): readonly string[] => {
  const end = ends[status];
  return end === undefined ? [] : [`run.started of ${id}`, `${end} of ${id}`];
};

function inboundViolations({ hooks }: Pick<Evidence, 'hooks'>, { runs }: Rows): readonly string[] {
  const begun = new Map<number, RunRow[]>();
  for (const run of runs.filter(({ slug }) => slug === INBOUND)) {
    const number = Number(numberIn(run.input));
    begun.set(number, [...(begun.get(number) ?? []), run]);
  }
  return messageIds(hooks.count).flatMap((id, number) => {
    const ours = hooks.sent.accepted.get(id) ?? new Set();
    const of = begun.get(number) ?? [];
    return [
      ...(ours.size === 1 ? [] : [`message ${id} was accepted under ${ours.size} ids`]),
      ...(of.length === 1 ? [] : [`message ${id} began ${of.length} runs`]),
      ...of
        .filter(({ status }) => status !== 'completed')
        .map((run) => `run ${run.id} of message ${id} is ${run.status}`),
    ];
  });
}

function numberIn(input: unknown): unknown {
  // -- reason: what the source hands on when it has no mapping of its own
  const { body } = plain(input) as { readonly body?: { readonly number?: unknown } };
  return body?.number;
}
