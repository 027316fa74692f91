import { setTimeout as pause } from 'node:timers/promises';
import type { Client, Reply } from './client.js';
import type { Pulse } from './pulse.js';
import { randomOf } from './random.js';

export type Decision = 'approve' | 'reject';

/** What the callers know at the end; the checks hold the platform to it. */
export interface Ledger {
  /** Idempotency-Key to the run it was answered with. */
  readonly accepted: Map<string, string>;
  readonly decisions: Map<string, DecisionRecord>;
  /** Answers no caller should get. */
  readonly surprises: string[];
}

export interface DecisionRecord {
  /** The decisions that were answered with success: at most one. */
  readonly won: Decision[];
  /** Some attempt ended without an answer, so its decision may be the one that counts. */
  unclear: boolean;
}

export interface LoadOptions {
  readonly client: Client;
  readonly seed: number;
  readonly runs: number;
  readonly workspaceId: string;
  readonly pulse: Pulse;
  readonly signal: AbortSignal;
}

export const SLUG = 'order-desk';

/** What is sent as the chain; a decided-against run ends at its human step. */
export const chainOf = (url: string, secret: string): object => ({
  name: 'Order desk',
  slug: SLUG,
  status: 'live',
  primary_steps: [
    { kind: 'trigger', label: 'Order' },
    { kind: 'agent', label: 'Read', config: { message: 'Order {{ input.order }}' } },
    { kind: 'webhook', label: 'Reserve', config: { url, secret } },
    { kind: 'human', label: 'Approve', config: { prompt: 'Ship it?' } },
    { kind: 'webhook', label: 'Ship', config: { url, secret } },
    { kind: 'notify', label: 'Note', config: { channel: 'log', text: 'shipped' } },
  ],
});
export const RESERVE_NODE = 'p2';
export const SHIP_NODE = 'p4';

export const createLedger = (): Ledger => ({ accepted: new Map(), decisions: new Map(), surprises: [] });

/** Starts the runs a few at a time; `meanGapMs` spreads them over the kills. */
export async function startRuns(options: LoadOptions, ledger: Ledger, meanGapMs: number): Promise<void> {
  const random = randomOf(options.seed, 'starts');
  const keys = Array.from({ length: options.runs }, (_, index) => `order-${index}`);
  const starter = async (): Promise<void> => {
    for (let key = keys.shift(); key !== undefined; key = keys.shift()) {
      await startRun(options, ledger, key);
      await pause(random.between(0, 2 * STARTERS * meanGapMs + 1), undefined, { signal: options.signal });
    }
  };
  await Promise.all(Array.from({ length: STARTERS }, starter));
}

const STARTERS = 4;

async function startRun({ client, pulse }: LoadOptions, ledger: Ledger, key: string): Promise<void> {
  const path = `/v1/workflow-chains/${SLUG}/run`;
  const twins = await Promise.all(
    // now and then the same order is sent twice at once, as by an impatient caller
    Array.from({ length: key.endsWith('7') ? 2 : 1 }, () =>
      client.call({ method: 'POST', path, key, body: { input: { order: key } } }),
    ),
  );
  for (const { status, body } of twins) {
    const runId = String(body['run_id']);
    if (status !== 202) ledger.surprises.push(`start ${key} was answered ${status}: ${JSON.stringify(body)}`);
    else if ((ledger.accepted.get(key) ?? runId) !== runId) ledger.surprises.push(`start ${key} made two runs`);
    else ledger.accepted.set(key, runId);
  }
  pulse.beat();
}

interface Listed {
  readonly id: string;
  readonly status: string;
}

const PAGE = 100;

/** Every run of the chain as the API lists them. */
export async function listRuns(client: Client): Promise<readonly Listed[]> {
  const found: Listed[] = [];
  for (let offset = 0; ; offset += PAGE) {
    const path = `/v1/workflow-chains/${SLUG}/runs?limit=${PAGE}&offset=${offset}`;
    const { body } = await client.call({ method: 'GET', path });
    // -- reason: the reply of our own route
    const { items = [], total = 0 } = body as { readonly items?: readonly Listed[]; readonly total?: number };
    found.push(...items);
    if (offset + PAGE >= total) return found;
  }
}

export const hasEnded = ({ status }: Listed): boolean => ['completed', 'failed', 'cancelled'].includes(status);

/** Decides every run that waits, until as many as were ordered have ended. */
export async function decideRuns(options: LoadOptions, ledger: Ledger): Promise<void> {
  const random = randomOf(options.seed, 'watch');
  const underWay = new Map<string, Promise<void>>();
  let ended = 0;
  for (;;) {
    const runs = await listRuns(options.client);
    const endedNow = runs.filter(hasEnded).length;
    if (endedNow > ended) options.pulse.beat();
    ended = endedNow;
    if (ended >= options.runs && runs.length >= options.runs) break;
    for (const { id } of runs.filter(({ status }) => status === 'awaiting_human')) {
      if (!underWay.has(id)) underWay.set(id, decideRun(options, ledger, id));
    }
    await pause(random.between(150, 400), undefined, { signal: options.signal });
  }
  await Promise.all(underWay.values());
}

async function decideRun(options: LoadOptions, ledger: Ledger, runId: string): Promise<void> {
  const { client, seed, workspaceId, pulse } = options;
  const random = randomOf(seed, `decide/${runId}`);
  const { body } = await client.call({ method: 'GET', path: `/v1/workflow-chains/${SLUG}/runs/${runId}` });
  // -- reason: the reply of our own route
  const wait = body['waiting_for'] as { readonly approval_id: string } | null | undefined;
  if (wait === null || wait === undefined) {
    ledger.surprises.push(`run ${runId} awaits a person and names no approval`);
    return;
  }
  const first: Decision = random.chance(0.8) ? 'approve' : 'reject';
  const second: Decision = first === 'approve' ? 'reject' : 'approve';
  const callers = random.shuffled([
    (decision: Decision) =>
      client.call({
        method: 'POST',
        path: `/v1/workflow-chains/${SLUG}/runs/${runId}/resume`,
        key: `resume-${runId}`,
        body: { decision },
      }),
    (decision: Decision) =>
      client.call({
        method: 'POST',
        path: `/workspaces/${workspaceId}/approvals/${wait.approval_id}/decide`,
        key: `decide-${runId}`,
        body: { decision, decided_by: 'chaos' },
      }),
  ]);
  const rivals = random.chance(0.3) ? [first, second] : [first];
  const record: DecisionRecord = { won: [], unclear: false };
  ledger.decisions.set(runId, record);
  await Promise.all(
    rivals.map(async (decision, index) => {
      const reply = await callers[index]?.(decision);
      if (reply !== undefined) judge(reply, { ledger, record, runId, decision });
    }),
  );
  pulse.beat();
}

interface Judged {
  readonly ledger: Ledger;
  readonly record: DecisionRecord;
  readonly runId: string;
  readonly decision: Decision;
}

function judge({ status, body, isRepeat }: Reply, { ledger, record, runId, decision }: Judged): void {
  if (isRepeat) record.unclear = true;
  if (status === 200) record.won.push(decision);
  else if (status !== 409 && status !== 404)
    ledger.surprises.push(`${decision} of ${runId} was answered ${status}: ${JSON.stringify(body)}`);
}
