import type { NodeError } from '../contract/failures.js';
import type { Value } from '../definition/values.js';

/** One activation of one node. */
export interface Visit {
  readonly nodeId: string;
  /** 1 for the first time the run comes to the node. */
  readonly visit: number;
  readonly input: Value;
}

export type RunEnd =
  | { readonly status: 'completed'; readonly output: Value }
  | { readonly status: 'failed'; readonly error: NodeError }
  | { readonly status: 'cancelled'; readonly error: NodeError | null };

/** Everything the interpreter knows of a run; plain data, so it survives continue-as-new. */
export interface RunState {
  /** Order of what happened; every transition takes the next number. */
  readonly seq: number;
  /** Activations whose turn has come, in order. */
  readonly ready: readonly Visit[];
  /** Activations under way, by `visitKey`. */
  readonly open: Readonly<Record<string, Visit>>;
  /** How often the run came to each node. */
  readonly visits: Readonly<Record<string, number>>;
  /** What has arrived at each join and is not consumed yet. */
  readonly arrivals: Readonly<Record<string, readonly Arrival[]>>;
  /** Outputs of visits that led nowhere further: together the run's output. */
  readonly sinks: readonly Arrival[];
  readonly end: RunEnd | null;
}

export interface Arrival {
  readonly nodeId: string;
  readonly value: Value;
}
