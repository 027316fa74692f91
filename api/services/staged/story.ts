import type { Cost } from '../../../workflows/contract/run.js';
import type { Json } from '../../../workflows/definition/values.js';
import type { StepPlace } from './kind.js';
import { shownOutput } from './outputs.js';

/** The log of a run told as the events of the Service surface: a function of the log alone, so that its numbers hold. */

export const eventKinds = [
  'raw_response_event',
  'run_item_stream_event',
  'agent_updated_stream_event',
  'usage',
  'error',
  'lifecycle',
] as const;

type Data = Readonly<Record<string, Json>>;

/** What an event says of its own. */
export interface Told {
  readonly kind: (typeof eventKinds)[number];
  /** The step it is of; null for the run's. */
  readonly place: StepPlace | null;
  readonly at: string;
  readonly more?: Readonly<Record<string, Json>>;
}

/** An entry of the log, such as a stream of the run gives it. */
export interface Entry {
  readonly type: string;
  readonly data: Data;
}

export interface StoryDeps {
  readonly places: ReadonlyMap<string, StepPlace>;
  /** What a finished step came to. */
  readonly outputOf: (key: string) => Promise<{ readonly output: Json; readonly cost: Cost | null } | null>;
}

export interface Story {
  readonly tell: (entry: Entry) => Promise<readonly Told[]>;
}

const textIn = (data: Data, name: string): string | null => {
  const value = data[name];
  return typeof value === 'string' ? value : null;
};

type At = Pick<Told, 'place' | 'at'>;
type ChangeTo = (agent: string, of: At) => readonly Told[];

export function createStory({ places, outputOf }: StoryDeps): Story {
  let isBegun = false;
  let speaker: string | null = null;
  const changeTo: ChangeTo = (agent, of) => {
    if (agent === speaker) return [];
    speaker = agent;
    return [{ ...of, kind: 'agent_updated_stream_event', more: { new_agent: agent, agent } }];
  };
  const begin = (at: string): readonly Told[] => {
    if (isBegun) return [];
    isBegun = true;
    return [{ kind: 'lifecycle', place: null, at, more: { payload: { state: 'running' } } }];
  };
  const ofStep = async (data: Data, of: At & { readonly place: StepPlace }): Promise<readonly Told[]> => {
    if (data['status'] === 'running') return changeTo(of.place.agent_key, of);
    if (data['status'] !== 'completed') return [];
    const done = await outputOf(textIn(data, 'key') ?? '');
    return done === null ? [] : stepDone(done, of);
  };
  return {
    tell: async ({ type, data }) => {
      const at = textIn(data, 'at') ?? '';
      if (type === 'run') return begin(at);
      const place = places.get(textIn(data, 'node_id') ?? '');
      if (place === undefined) return [];
      const of = { place, at };
      if (type === 'token') return [{ ...of, ...tokenOf(data) }];
      if (type === 'lifecycle') return lifecycleOf(data, of, changeTo);
      return type === 'step' ? ofStep(data, of) : [];
    },
  };
}

/** A step tried again speaks from the beginning: its number says so. */
function tokenOf(data: Data): Pick<Told, 'kind' | 'more'> {
  const { attempt } = data;
  const isAgain = typeof attempt === 'number' && attempt > 1;
  return {
    kind: 'raw_response_event',
    more: {
      raw_type: 'response.output_text.delta',
      text_delta: textIn(data, 'text') ?? '',
      ...(isAgain ? { payload: { attempt } } : {}),
    },
  };
}

function lifecycleOf(data: Data, of: At, changeTo: ChangeTo): readonly Told[] {
  const event = textIn(data, 'event');
  const named = {
    agent: textIn(data, 'agent'),
    tool_name: textIn(data, 'tool'),
    tool_call_id: textIn(data, 'tool_call_id'),
  };
  const target = textIn(data, 'target');
  const known = Object.entries({ ...named, new_agent: target }).filter(([, value]) => value !== null);
  const told: Told = { ...of, kind: 'lifecycle', more: { event, ...Object.fromEntries(known) } };
  return event === 'handoff' && target !== null ? [told, ...changeTo(target, of)] : [told];
}

function stepDone({ output, cost }: { readonly output: Json; readonly cost: Cost | null }, of: At): readonly Told[] {
  const item: Told = {
    ...of,
    kind: 'run_item_stream_event',
    more: { run_item_name: 'message_output_created', run_item_type: 'message_output_item', ...shownOutput(output) },
  };
  if (cost === null) return [item];
  const { input_tokens: input, output_tokens: spoken, usd } = cost;
  const payload = { input_tokens: input, output_tokens: spoken, total_tokens: input + spoken, usd };
  return [item, { ...of, kind: 'usage', more: { payload } }];
}
