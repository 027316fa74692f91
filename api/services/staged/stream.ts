import type { Database } from '../../../db/client.js';
import { findStagedRun, stagedSteps } from '../../../db/staged-runs.js';
import { loadValue } from '../../../db/values.js';
import type { RunRef } from '../../../workflows/contract/run.js';
import type { Json } from '../../../workflows/definition/values.js';
import { notFound } from '../../http/errors.js';
import { EventStream, type StreamMessage } from '../../http/route.js';
import type { StreamService } from '../streams.js';
import { stepPlaces, type StepPlace } from './kind.js';
import { shownOutput } from './outputs.js';
import { wholeRun } from './read.js';
import { createStory, type Entry, type Told } from './story.js';

export interface StagedStreamDeps {
  readonly db: Database;
  readonly streams: Pick<StreamService, 'run'>;
}

/** An event of a run's stream. What is not said is left out, but for the names of the run and of the step. */
export interface StagedEvent {
  readonly kind: Told['kind'];
  readonly workflow_key: string;
  readonly workflow_run_id: string;
  readonly conversation_id: string | null;
  readonly server_timestamp: string;
  readonly sequence_number: number;
  readonly is_terminal: boolean;
  readonly stage_name: string | null;
  readonly step_name: string | null;
  readonly step_agent: string | null;
  readonly agent_used: string | null;
  readonly parallel_group: string | null;
  readonly branch_index: number | null;
  readonly [more: string]: Json;
}

/**
 * Tells a run from its log, event after event, to its end. Events are numbered from 1 in the order of the log, the same
 * each time: whoever comes back names the last one they had and goes on behind it.
 */
export async function streamStagedRun(
  { db, streams }: StagedStreamDeps,
  run: RunRef,
  after: number,
): Promise<EventStream<StagedEvent>> {
  const row = await findStagedRun(db, run);
  if (row === undefined) throw notFound('workflow run', run.runId);
  const log = await streams.run(run, 0);
  const places = stepPlaces(row.document);
  const fixed = { workflow_key: row.workflow_key, workflow_run_id: row.id, conversation_id: row.conversation_id };
  const outputOf = (key: string) => outputOfStep(db, run, key);
  const messages = async function* (signal: AbortSignal): AsyncGenerator<StreamMessage<StagedEvent>> {
    const story = createStory({ places, outputOf });
    let number = 0;
    for await (const message of log.messages(signal)) {
      const told = message.event === 'end' ? await lastEvent(db, run) : await story.tell(entryOf(message));
      for (const each of told) {
        number += 1;
        if (number > after) yield framed({ ...fixed, sequence_number: number }, each);
      }
    }
  };
  return new EventStream(messages, { opening: null, heartbeat: () => `heartbeat ${new Date().toISOString()}` });
}

const entryOf = ({ event = '', data = {} }: StreamMessage<Entry['data']>): Entry => ({ type: event, data });

interface Numbered {
  readonly workflow_key: string;
  readonly workflow_run_id: string;
  readonly conversation_id: string | null;
  readonly sequence_number: number;
}

function framed(numbered: Numbered, { kind, place, at, more = {} }: Told): StreamMessage<StagedEvent> {
  const data: StagedEvent = {
    kind,
    ...numbered,
    server_timestamp: at,
    is_terminal: false,
    ...(place === null ? ofRun : placeOf(place)),
    ...more,
  };
  return { id: String(numbered.sequence_number), event: kind, data };
}

const placeOf = (place: StepPlace) => ({
  stage_name: place.stage_name,
  step_name: place.name,
  step_agent: place.agent_key,
  agent_used: place.agent_key,
  parallel_group: place.parallel_group,
  branch_index: place.branch_index,
});

/** Of no step. */
const ofRun = {
  stage_name: null,
  step_name: null,
  step_agent: null,
  agent_used: null,
  parallel_group: null,
  branch_index: null,
} as const;

async function outputOfStep(db: Database, run: RunRef, key: string) {
  const [row] = await stagedSteps(db, run, key);
  if (row === undefined) return null;
  const { output, cost } = row;
  return { output: output === null ? null : await loadValue(db, run.workspaceId, output), cost };
}

/** How it ended. */
async function lastEvent(db: Database, run: RunRef): Promise<readonly Told[]> {
  const { row, output } = await wholeRun(db, run);
  const of = { place: null, at: (row.ended_at ?? new Date()).toISOString() };
  if (row.status === 'failed') {
    const { type = 'unknown', message = 'The run failed.' } = row.error ?? {};
    return [{ ...of, kind: 'error', more: { is_terminal: true, payload: { error: message, code: type } } }];
  }
  if (row.status === 'cancelled') {
    return [{ ...of, kind: 'lifecycle', more: { is_terminal: true, payload: { state: 'cancelled' } } }];
  }
  const more = { is_terminal: true, payload: { state: 'completed' }, ...shownOutput(output) };
  return [{ ...of, kind: 'lifecycle', more }];
}
