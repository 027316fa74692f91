import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure } from '@temporalio/workflow';
import type { SegmentFailure } from '../contract/activities.js';
import { Failure } from '../contract/failures.js';
import { NodeProblem } from './scope.js';

/** What an activity's or a child's failure says of the node, or of the engine where it says nothing. */
export function failureOf(error: unknown): SegmentFailure {
  if (error instanceof NodeProblem) return { outputs: [], error: error.error };
  const cause = error instanceof ActivityFailure || error instanceof ChildWorkflowFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure && cause.type === Failure.nodeFailed) {
    // -- reason: whoever throws `NodeFailed` gives it these details
    const [details] = (cause.details ?? []) as [SegmentFailure?];
    if (details !== undefined) return details;
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return { outputs: [], error: { type: 'engine_error', message: message.slice(0, 500) } };
}

/** Whether an error is the node's, or of an activity that was to work something out for it. */
export const isProblem = (error: unknown): boolean =>
  error instanceof NodeProblem ||
  (error instanceof Error && ['ActivityFailure', 'ApplicationFailure'].includes(error.name));
