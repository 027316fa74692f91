import type { NodeError } from '../contract/failures.js';
import type { Plan, Port } from '../definition/plan.js';
import type { Value } from '../definition/values.js';
import type { NameSetting } from './rehearse-names.js';
import type { RunState } from './state.js';

/** One visit as it was recorded; values of it and of the run are whole, not references. */
export interface RecordedStep {
  /** `visitKey`. */
  readonly key: string;
  readonly nodeId: string;
  readonly status: 'completed' | 'failed' | 'cancelled';
  readonly output: Value | null;
  readonly error: NodeError | null;
  readonly port: Port | null;
  readonly vars: Readonly<Record<string, Value>> | null;
}

export interface Recording {
  readonly runId: string;
  readonly input: Value;
  readonly isConversation: boolean;
  readonly status: 'completed' | 'failed' | 'cancelled';
  /** The plan it ran by. */
  readonly plan: Plan;
  /** In the order in which they ended. */
  readonly steps: readonly RecordedStep[];
}

/** A run of a candidate by the results of a recorded one. */
export interface Rehearsal {
  readonly plan: Plan;
  readonly recording: Recording;
  readonly steps: ReadonlyMap<string, RecordedStep>;
  /** When each recorded visit ended. */
  readonly order: ReadonlyMap<string, number>;
  /** Keys of the visits it came to. */
  readonly visited: Set<string>;
  /** By visit: the node it was come to from. */
  readonly from: Map<string, string>;
  state: RunState;
  message: string | null;
  isHeard: boolean;
}

export const settingOf = ({ plan, state, recording, message }: Rehearsal): NameSetting => ({
  plan,
  state,
  run: { id: recording.runId, input: recording.input },
  message,
});
