import { ApiError, conflict, forbidden } from '../http/errors.js';
import type { Refused } from '../temporal/gateway.js';

export interface Refusal {
  readonly outcome: Refused;
  /** Ours, from the run itself; shown where it says more than the kind. */
  readonly message: string;
}

const soon = (message: string): ApiError => new ApiError(503, message, { headers: { 'retry-after': '1' } });

/** What a caller is told when a run did not take a message. */
const errors: Readonly<Record<Refused, (message: string) => ApiError>> = {
  unknown: () => soon('The run has not come to this wait yet; try again in a moment.'),
  settled: () => conflict('Somebody else was first: this wait has been decided or has expired.'),
  forbidden: (message) => forbidden(message),
  not_parked: () => conflict('The node is not parked; only a parked node can be tried again.'),
  nothing_to_change: (message) => conflict(message),
  closed: () => conflict('The run has ended.'),
  busy: () => soon('As many callers as one run takes are waiting for it; try again in a moment.'),
  late: () =>
    soon('The run has not answered in time; ask again with the same Idempotency-Key to learn what came of it.'),
};

export const refusalError = ({ outcome, message }: Refusal): ApiError => errors[outcome](message);
