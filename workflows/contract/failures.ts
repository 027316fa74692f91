/** Every `ApplicationFailure.type` the platform throws or matches; prose is never matched. */
export const Failure = {
  /** The node's attempts are used up or its error cannot be mended by repeating. Details: `[SegmentFailure]`. */
  nodeFailed: 'NodeFailed',
  /** One attempt of a node failed and the next is due; the details of the pause travel as `nextRetryDelay`. */
  attemptFailed: 'AttemptFailed',
  /** The token names no wait of this run. */
  waitUnknown: 'WaitUnknown',
  /** Somebody or a timer was first. */
  waitSettled: 'WaitSettled',
  /** Not in the audience, own request, or voted before. */
  waitForbidden: 'WaitForbidden',
  /** The node is not parked. */
  notParked: 'NotParked',
  /** The run is in that state already, or has ended. */
  nothingToChange: 'NothingToChange',
} as const;
export type Failure = (typeof Failure)[keyof typeof Failure];

/** A node's error as users see it. `type` is a stable word, `message` a sentence without secrets. */
export interface NodeError {
  readonly type: string;
  readonly message: string;
  /** Where it happened. */
  readonly node_id?: string;
}
