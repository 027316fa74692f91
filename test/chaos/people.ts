import { effectKey } from '../../workflows/contract/ids.js';
import type { Client, Reply } from './client.js';
import type { Heard } from './followers.js';
import type { GraphLedger, GraphLoad } from './graph-load.js';
import type { Order } from './orders.js';
import { randomOf, type Random } from './random.js';

export interface People {
  /** What the stream says of a wait; whoever it asks answers it. */
  readonly asked: (data: Heard['data']) => void;
}

interface Question {
  readonly runId: string;
  readonly token: string;
  readonly nodeId: string;
}

type Answer = 'approve' | 'reject';

/** Two people who approve together, and say truthfully whether an effect happened. */
export function createPeople(load: GraphLoad, ledger: GraphLedger): People {
  const orders = new Map(ledger.orders.map((order) => [order.name, order]));
  const heard = new Set<string>();
  const respond = async (kind: unknown, question: Question): Promise<void> => {
    const order = orders.get(await load.milestones.orderOf(question.runId));
    if (order === undefined) return;
    if (kind === 'decision') await vote(load, ledger, { ...question, order });
    else await tellTruth(load, ledger, { ...question, order });
    load.pulse.beat();
  };
  return {
    asked: ({ kind, status, token, run_id: runId, node_id: nodeId }) => {
      if (status !== 'pending' || (kind !== 'decision' && kind !== 'parked') || heard.has(String(token))) return;
      heard.add(String(token));
      respond(kind, { runId: String(runId), token: String(token), nodeId: String(nodeId) }).catch((error: unknown) => {
        if (!load.signal.aborted) ledger.surprises.push(`${String(token)} could not be answered: ${String(error)}`);
      });
    },
  };
}

type Asked = Question & { readonly order: Order };

interface Ballot {
  readonly client: Client;
  readonly answer: Answer;
  readonly key: string;
  /** Answers that are right beside 200. */
  readonly allowed: readonly number[];
}

async function vote({ callers, seed }: GraphLoad, ledger: GraphLedger, asked: Asked): Promise<void> {
  const { runId, order } = asked;
  const random = randomOf(seed, `vote/${order.name}`);
  const [first, second] = random.shuffled(callers);
  if (first === undefined || second === undefined) return;
  // one that is being cancelled no longer asks anybody
  const gone = order.mode === 'cancel' ? [404, 409] : [];
  const cast = (ballot: Ballot): Promise<void> => submit(ledger, asked, ballot);
  await cast({ client: first, answer: 'approve', key: `first-${runId}`, allowed: gone });
  ledger.counts.votes += 1;
  if (random.chance(0.4)) await voteAgain(ledger, asked, first);
  const answer = order.mode === 'refuse' ? 'reject' : 'approve';
  await cast({ client: second, answer, key: `second-${runId}`, allowed: gone });
}

/** A second vote of the same person is no second person. */
async function voteAgain(ledger: GraphLedger, { runId, token, order }: Asked, client: Client): Promise<void> {
  const path = `/v1/runs/${runId}/waits/${token}`;
  const { status } = await client.call({ method: 'POST', path, key: `again-${runId}`, body: { decision: 'approve' } });
  const isGone = order.mode === 'cancel' && (status === 404 || status === 409);
  if (status !== 403 && !isGone)
    ledger.surprises.push(`a second vote of one person on ${token} was answered ${status}`);
}

async function tellTruth({ callers, sink, seed }: GraphLoad, ledger: GraphLedger, asked: Asked): Promise<void> {
  const { runId, nodeId, token, order } = asked;
  const random: Random = randomOf(seed, `truth/${token}`);
  const answer = sink.tookEffect(effectKey(runId, `${nodeId}/1`)) ? 'approve' : 'reject';
  const client = callers[random.between(0, callers.length)] ?? callers[0];
  ledger.counts.truths += 1;
  const allowed = order.mode === 'cancel' ? [404, 409] : [];
  await submit(ledger, asked, { client, answer, key: `truth-${token}`, allowed });
}

async function submit(ledger: GraphLedger, { runId, token, order }: Asked, ballot: Ballot): Promise<void> {
  const { client, answer, key, allowed } = ballot;
  const path = `/v1/runs/${runId}/waits/${token}`;
  const reply = await client.call({ method: 'POST', path, key, body: { decision: answer } });
  if (reply.status !== 200 && !allowed.includes(reply.status) && !mayBeHeard(reply))
    ledger.surprises.push(`${answer} on ${token} (${order.mode}) was answered ${reply.status}: ${said(reply)}`);
}

/** An attempt before this one had no answer: what it said may have counted. */
const mayBeHeard = ({ isRepeat, status }: Reply): boolean => isRepeat && [403, 404, 409].includes(status);

const said = ({ body }: Reply): string => JSON.stringify(body);
