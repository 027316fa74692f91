import { CompiledQuery } from 'kysely';
import type { Database } from '../../db/client.js';
import { unscoped } from '../../db/scope.js';

export interface StorePatience {
  /** How long a count may take before memory counts instead; default 500 ms. */
  readonly deadlineMs?: number;
  /** How long memory goes on counting before Postgres is asked again; default 1 s. */
  readonly restMs?: number;
}

interface CounterQuery {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Counts, or rejects soon: no request waits for a Postgres that hangs. */
export type CounterStore = (query: CounterQuery) => Promise<unknown>;

const DEADLINE_MS = 500;
const REST_MS = 1_000;

/** After a failure one request in a while asks Postgres; all others are refused at once. */
export function createCounterStore(db: Database, patience: StorePatience = {}): CounterStore {
  const { deadlineMs = DEADLINE_MS, restMs = REST_MS } = patience;
  let restsUntil: number | null = null;
  return async ({ text, values }) => {
    if (restsUntil !== null && performance.now() < restsUntil) throw new Error('Postgres does not count just now');
    if (restsUntil !== null) restsUntil = performance.now() + restMs;
    try {
      const result = await inTime(
        // counters belong to no workspace, whoever counts
        unscoped(() => db.executeQuery(CompiledQuery.raw(text, [...values]))),
        deadlineMs,
      );
      restsUntil = null;
      return result;
    } catch (error) {
      restsUntil = performance.now() + restMs;
      throw error;
    }
  };
}

function inTime<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('Postgres did not count in time')), timeoutMs);
    timer.unref();
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
