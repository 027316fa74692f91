import { expect } from '@jest/globals';
import { derivedId, newSeed } from '../../db/ids.js';
import type { NewRun } from '../../db/runs.js';
import type { Database } from '../../db/client.js';
import type { RunRef } from '../../workflows/contract/run.js';
import type { Person } from './api.js';
import { seedRun } from './runs.js';

/** A queued run in a person's workspace. */
export const runOf = (db: Database, person: Person, more: Partial<NewRun> = {}): Promise<RunRef> =>
  seedRun(db, { ...more, run: { workspaceId: person.workspace.id, runId: derivedId('run', newSeed()) } });

/** What a GET answers that succeeds. */
export async function read(person: Person, path: string) {
  const { status, body, text } = await person.call('GET', path);
  expect({ path, status, text: status === 200 ? '' : text }).toEqual({ path, status: 200, text: '' });
  // -- reason: a test looks into what came and fails when it is something else
  return body as unknown as Record<string, unknown> & { readonly items: readonly Record<string, unknown>[] };
}
