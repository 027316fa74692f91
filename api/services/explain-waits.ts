import type { WaitView } from '../../db/waits.js';
import { isTimed, type Facts } from './explain-facts.js';
import { iso, othersThan, post, whereOf, type Finding, type Rule } from './explain-finding.js';
import type { Params } from './explain-words.js';
import type { StepItem } from './run-view.js';

/** Runs that wait for a person, an event or a time. */

export const parked: Rule = (facts) => {
  const step = facts.openSteps.find(({ status }) => status === 'parked');
  if (step === undefined) return null;
  const { node_id: nodeId, error } = step;
  const wait = facts.waits.find((each) => each.kind === 'parked' && each.node_id === nodeId);
  const { type, message } = error ?? { type: null, message: wait?.prompt ?? 'no reason is known' };
  const params = { ...whereOf(facts, nodeId), ...othersThan(facts, nodeId), message, type };
  if (type === 'outcome_unknown' && wait !== undefined) {
    const { token } = wait;
    const action = post(facts, `/waits/${token}`, { decision: 'approve' });
    return { key: 'waiting.outcome', params, waitingFor: { kind: 'outcome', node_id: nodeId, token }, action };
  }
  const action = post(facts, '/retry', { node_id: nodeId });
  return { key: 'waiting.parked', params, waitingFor: { kind: 'retry', node_id: nodeId }, action };
};

export const waiting: Rule = (facts) => {
  const order = ['decision', 'message', 'event'] as const;
  const [wait] = order.flatMap((kind) => facts.waits.filter((each) => each.kind === kind));
  if (wait === undefined) return null;
  const params = {
    ...whereOf(facts, wait.node_id),
    ...othersThan(facts, wait.node_id),
    prompt: wait.prompt,
    until: iso(wait.expires_at),
  };
  const waitingFor = { kind: wait.kind, token: wait.token, node_id: wait.node_id };
  if (wait.kind === 'event') return waitingForEvent(facts, wait, { params, waitingFor });
  if (wait.kind === 'message') {
    const action = post(facts, `/waits/${wait.token}`, { data: '' });
    return { key: 'waiting.message', params, waitingFor, action };
  }
  const count = (decision: string): number => wait.votes.filter((vote) => vote.decision === decision).length;
  const { audience, quorum, form } = wait;
  return {
    key: 'waiting.decision',
    params: { ...params, audience, quorum, approvals: count('approve'), rejections: count('reject') },
    waitingFor,
    action: post(facts, `/waits/${wait.token}`, { decision: 'approve', ...(form === null ? {} : { data: {} }) }),
  };
};

function waitingForEvent(
  facts: Facts,
  wait: WaitView,
  { params, waitingFor }: { readonly params: Params; readonly waitingFor: Params },
): Finding {
  const event = facts.events.find(({ token }) => token === wait.token);
  const name = event?.event_name ?? wait.prompt;
  const key = event?.event_key ?? null;
  return {
    key: 'waiting.event',
    params: { ...params, name, event_key: key },
    waitingFor: { ...waitingFor, name, event_key: key },
    action: post(facts, '/events', { name, ...(key === null ? {} : { key }), payload: {} }),
  };
}

export const time: Rule = (facts) => {
  const { plan, openSteps, deadlines } = facts;
  const steps = openSteps.filter((step) => isTimed(plan, step));
  const at = (step: StepItem): Date | null => deadlines[step.key] ?? delayedUntil(facts, step);
  const [first] = steps.toSorted((a, b) => (at(a)?.getTime() ?? Infinity) - (at(b)?.getTime() ?? Infinity));
  if (first === undefined) return null;
  const until = iso(at(first));
  return {
    key: 'waiting.time',
    params: { ...whereOf(facts, first.node_id), ...othersThan(facts, first.node_id), until },
    waitingFor: { kind: 'time', node_id: first.node_id, until },
    action: null,
  };
};

/** A plain delay can be worked out without the run. */
function delayedUntil({ plan }: Facts, step: StepItem): Date | null {
  const node = plan?.nodes[step.node_id];
  if (node?.kind !== 'delay' || !('seconds' in node.config)) return null;
  return new Date(step.started_at.getTime() + node.config.seconds * 1_000);
}
