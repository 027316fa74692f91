import type { NodeError } from '../contract/failures.js';
import type { VisitPlace } from '../contract/ids.js';
import type { Value } from '../definition/values.js';

/** One activation of one node. */
export interface Visit extends VisitPlace {
  readonly input: Value;
  /** Ways into joins that went on without what was to come this way, by `wayInto`: there it is ignored. */
  readonly late?: readonly string[];
}

export type RunEnd =
  | { readonly status: 'completed'; readonly output: Value }
  | { readonly status: 'failed'; readonly error: NodeError }
  | { readonly status: 'cancelled'; readonly error: NodeError | null };

/** How far the root or a frame has come; by node id. */
export interface Course {
  /** How often it came to each node. */
  readonly visits: Readonly<Record<string, number>>;
  /** What has arrived at each join and is not consumed yet. */
  readonly arrivals: Readonly<Record<string, readonly Arrival[]>>;
  /** Outputs of visits that led nowhere further: together its output. */
  readonly sinks: readonly Arrival[];
}

/** One item of a map, or one round of a loop: a little run of its own inside the run. */
export interface Frame extends Course {
  /** The visit key, the node and the scope of the map or loop it belongs to. */
  readonly owner: string;
  readonly nodeId: string;
  readonly scope: string;
  readonly index: number;
  readonly item: Value;
}

/** What an open map or loop has come to; by its visit key. */
export interface Group {
  readonly items: readonly Value[];
  /** The items from here on have not begun. */
  readonly next: number;
  /** In the items' order; null while one has not ended. A loop keeps only its last round's. */
  readonly results: readonly (Value | null)[];
  readonly ended: number;
  /** What an item failed with, when that fails the map. */
  readonly error: NodeError | null;
}

/** A finished visit that can be undone. */
export interface UndoEntry {
  readonly visit: Visit;
  readonly output: Value;
  /** The node that undoes it. */
  readonly by: string;
}

/** Everything the interpreter knows of a run; plain data, so it survives continue-as-new. The course is the root's. */
export interface RunState extends Course {
  /** Order of what happened; every transition takes the next number. */
  readonly seq: number;
  /** Activations whose turn has come, in order. */
  readonly ready: readonly Visit[];
  /** Activations under way, by `visitKey`. */
  readonly open: Readonly<Record<string, Visit>>;
  /** By frame id; the root frame has none. */
  readonly frames: Readonly<Record<string, Frame>>;
  readonly groups: Readonly<Record<string, Group>>;
  /** Open visits whose attempts are used up and that wait for somebody, by `visitKey`. */
  readonly parked: Readonly<Record<string, NodeError>>;
  readonly vars: Readonly<Record<string, Value>>;
  /** The last output of each node that some expression reads, by `inScope`. */
  readonly outputs: Readonly<Record<string, Value>>;
  readonly undo: readonly UndoEntry[];
  readonly end: RunEnd | null;
}

export interface Arrival {
  /** Where it came from. */
  readonly nodeId: string;
  readonly value: Value;
  /** As of a visit. */
  readonly late?: readonly string[];
}
