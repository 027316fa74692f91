import type { Selectable } from 'kysely';
import { scoped } from '../../db/scoped.js';
import type { Database } from '../../db/client.js';
import type { Tables } from '../../db/tables.js';
import type { ResolvedWait } from '../../workflows/contract/messages.js';
import type { RunStatus, WaitSettlement } from '../../workflows/contract/run.js';
import type { Json } from '../../workflows/definition/values.js';
import { conflict, invalid, notFound } from '../http/errors.js';
import { identitiesOf } from './caller.js';
import { checkJson } from './json-check.js';
import { refOf, type Command } from './run-commands.js';
import type { RunService } from './runs.js';

type WaitRow = Selectable<Tables['waits']>;

export type Decision = Command & {
  readonly token: string;
  readonly decision: 'approve' | 'reject' | undefined;
  readonly data: Json | undefined;
  readonly note: string | null;
  /** Of what the caller was shown, when it says so. */
  readonly shownHash: string | undefined;
};

export interface DecidedWait {
  /** The run's. */
  readonly status: RunStatus;
  readonly wait: {
    readonly token: string;
    readonly kind: string;
    readonly node_id: string;
    readonly status: WaitRow['status'];
    readonly quorum: number;
    readonly rejections: number;
    readonly votes: readonly {
      readonly by: string;
      readonly decision: 'approve' | 'reject';
      readonly note: string | null;
      readonly at: Date;
    }[];
    readonly decided_by: string | null;
  };
}

export interface RunDecisionService {
  readonly decide: (decision: Decision) => Promise<DecidedWait>;
}

export interface RunDecisionDeps {
  readonly db: Database;
  readonly runs: Pick<RunService, 'decide'>;
}

export const createRunDecisionService = (deps: RunDecisionDeps): RunDecisionService => ({
  decide: (decision) => decideWait(deps, decision),
});

async function decideWait({ db, runs }: RunDecisionDeps, asked: Decision): Promise<DecidedWait> {
  const { actor, token, note, seed } = asked;
  const run = refOf(asked);
  const wait = await scoped(db, run.workspaceId).get('waits', token);
  if (wait?.run_id !== run.runId) throw notFound('wait', token);
  refuseUndecidable(wait);
  const { decision, input } = answerOf(wait, asked);
  if (asked.shownHash !== undefined && asked.shownHash !== wait.shown_hash) {
    throw conflict('shown_hash: what is asked is not what you were shown; read the wait again and decide on that.');
  }
  const as = await identitiesOf(db, actor);
  const shownHash = wait.shown_hash;
  const result = await runs.decide({ run, token, decision, input, note, by: actor.id, as, shownHash, seed });
  if (result === 'settled') throw conflict('Somebody else was first: this wait has been decided or has expired.');
  return presentDecided(wait, result);
}

/** An event settles one of these waits, and time the other; nobody decides them. */
function refuseUndecidable({ kind, run_id: runId, event_name: name }: WaitRow): void {
  if (kind === 'event') {
    throw conflict(`This wait is for the event "${name}": send it with POST /v1/runs/${runId}/events.`);
  }
  if (kind === 'until') throw conflict('This wait is for a time: nobody can answer it.');
}

interface WaitAnswer {
  readonly decision: 'approve' | 'reject';
  readonly input: Json | undefined;
}

/** What the wait needs to be told, by its kind. */
function answerOf(wait: WaitRow, asked: Decision): WaitAnswer {
  refuseIncomplete(wait, asked);
  const { decision = 'approve', data } = asked;
  // whoever refuses need not fill in what an approval asks for
  if (wait.form === null || (decision === 'reject' && data === undefined)) return { decision, input: data };
  const filled = data ?? {};
  checkJson(wait.form, filled, 'data');
  return { decision, input: filled };
}

function refuseIncomplete({ kind }: WaitRow, { decision, data }: Decision): void {
  if (decision === undefined && (kind === 'decision' || kind === 'parked')) {
    throw invalid([{ field: 'decision', message: 'is required here: approve or reject' }]);
  }
  if (data === undefined && kind === 'message') {
    throw invalid([{ field: 'data', message: 'is required here: it is the message' }]);
  }
}

const words: Readonly<Record<WaitSettlement['outcome'], WaitRow['status']>> = {
  approved: 'approved',
  rejected: 'denied',
  resolved: 'resolved',
  expired: 'expired',
  cancelled: 'cancelled',
};

const presentDecided = (row: WaitRow, { settlement, wait, status }: ResolvedWait): DecidedWait => ({
  status,
  wait: {
    token: row.id,
    kind: row.kind,
    node_id: row.node_id,
    status: settlement === null ? 'pending' : words[settlement.outcome],
    quorum: row.quorum,
    rejections: row.rejections,
    votes: (settlement?.votes ?? wait.votes ?? []).map(({ by, decision, note, at }) => ({
      by,
      decision,
      note,
      at: new Date(at),
    })),
    decided_by: settlement?.by ?? null,
  },
});
