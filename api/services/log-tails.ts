import type { Database } from '../../db/client.js';
import type { RunNews } from '../../db/listen.js';
import {
  isBefore,
  logPosition,
  runEventsAfter,
  runHead,
  workspaceEventsAfter,
  type LoggedEvent,
  type LogPosition,
  type PlacedEvent,
} from '../../db/run-events.js';
import { withScope } from '../../db/scope.js';
import type { RunRef } from '../../workflows/contract/run.js';
import type { LogSource } from './log-seats.js';
import { createTail, type Tail } from './log-tail.js';
import { filterOf, topicsOf } from './stream-topics.js';

export type WorkspaceTail = Tail<LogPosition, PlacedEvent>;
export type RunTail = Tail<number, LoggedEvent>;

/** The readers of this process: one for each workspace and each run that anybody follows, whatever their number. */
export interface LogTails {
  readonly ofWorkspace: (workspaceId: string) => WorkspaceTail;
  readonly ofRun: (run: RunRef) => RunTail;
}

export interface LogTailDeps {
  readonly db: Database;
  readonly news: RunNews;
  /** Events read at a time. */
  readonly batch: number;
}

const WORKSPACE_PACE_MS = 25;
const RUN_PACE_MS = 15;
/** The only topic there is in the log of one run. */
export const wholeRun = ['run'] as const;

export function createLogTails(deps: LogTailDeps): LogTails {
  const ofWorkspace = createShelf((workspaceId) => workspaceSource(deps, workspaceId));
  const ofRun = createShelf((key) => {
    const [workspaceId = '', runId = ''] = key.split(':');
    return runSource(deps, { workspaceId, runId });
  });
  return { ofWorkspace, ofRun: ({ workspaceId, runId }) => ofRun(`${workspaceId}:${runId}`) };
}

/** A reader is there for as long as somebody follows it. */
function createShelf<P, E>(sourceOf: (key: string) => LogSource<P, E>): (key: string) => Tail<P, E> {
  const tails = new Map<string, Tail<P, E>>();
  return (key) => {
    const known = tails.get(key);
    if (known !== undefined) return known;
    const tail = createTail(sourceOf(key), () => {
      if (tails.get(key) === tail) tails.delete(key);
    });
    tails.set(key, tail);
    return tail;
  };
}

const rightsOf = (workspaceId: string): LogSource<unknown, unknown>['inOwnScope'] => {
  return (work) => withScope({ workspaceId, tenantId: '' }, work);
};

function workspaceSource({ db, news, batch }: LogTailDeps, workspaceId: string): LogSource<LogPosition, PlacedEvent> {
  return {
    start: () => logPosition(db),
    read: (after, topics) => workspaceEventsAfter(db, workspaceId, { after, filter: filterOf(topics), limit: batch }),
    isBefore,
    placeOf: ({ position }) => position,
    topicsOf,
    // whoever follows only certain runs is not woken by all the others
    listen: (topic, ring) => {
      const [, runId] = /^(?:run|call):(.*)$/.exec(topic) ?? [];
      return news.follow({ workspaceId, ...(runId === undefined ? {} : { runId }), rereads: false }, ring);
    },
    inOwnScope: rightsOf(workspaceId),
    paceMs: WORKSPACE_PACE_MS,
  };
}

/** In the order of the run itself, which waits for nothing that goes on elsewhere. */
function runSource({ db, news, batch }: LogTailDeps, run: RunRef): LogSource<number, LoggedEvent> {
  return {
    start: async () => (await runHead(db, run))?.event_seq ?? 0,
    read: async (after, _topics) => {
      const events = await runEventsAfter(db, run, { after, limit: batch });
      return { events, next: events.at(-1)?.seq ?? after, more: events.length === batch ? 'now' : 'later' };
    },
    isBefore: (a, b) => a < b,
    placeOf: ({ seq }) => seq,
    topicsOf: () => wholeRun,
    listen: (_topic, ring) => news.follow({ ...run, rereads: false }, ring),
    inOwnScope: rightsOf(run.workspaceId),
    paceMs: RUN_PACE_MS,
  };
}
