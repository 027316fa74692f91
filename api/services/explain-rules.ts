import { ENGINE_QUEUE } from '../../workflows/contract/queues.js';
import type { PendingActivity } from '../temporal/run-inspector.js';
import { kindOf, type Facts } from './explain-facts.js';
import { iso, othersThan, post, secondsSince, whereOf, type Finding, type Rule } from './explain-finding.js';
import { parked, time, waiting } from './explain-waits.js';
import type { ExplainKey } from './explain-words.js';
import { hasEnded, type StepItem } from './run-view.js';

/** What a person must do comes before what goes on by itself. */
export function findingOf(facts: Facts): Finding {
  for (const rule of rules) {
    const finding = rule(facts);
    if (finding !== null) return finding;
  }
  return { key: 'running.between_steps', params: {}, waitingFor: null, action: null };
}

const ended: Rule = (facts) => {
  const { status, ended_at: at } = facts.run;
  if (!hasEnded(status)) return null;
  if (status === 'failed') return failed(facts);
  const action = status === 'cancelled' ? post(facts, '/replay') : null;
  return { key: status === 'cancelled' ? status : 'completed', params: { at: iso(at) }, waitingFor: null, action };
};

const NO_ERROR = { type: null, message: 'no reason is known' };

function failed(facts: Facts): Finding {
  const { run, failedStep: step } = facts;
  const { type, message } = run.error ?? NO_ERROR;
  const at = { at: iso(run.ended_at), type, message };
  if (step === null) {
    const params = { node_id: null, label: null, ...at };
    return { key: 'failed', params, waitingFor: null, action: post(facts, '/replay') };
  }
  const params = { node_id: step.node_id, label: step.label, ...at };
  return { key: 'failed', params, waitingFor: null, action: post(facts, '/continue', { from: step.key }) };
}

const cancelling: Rule = (facts) => {
  const { run, openSteps } = facts;
  if (run.cancel_requested_at === null) return null;
  const stopping = [...new Set(openSteps.map(({ label }) => label))].join(', ');
  return {
    key: 'cancelling',
    params: { since: iso(run.cancel_requested_at), stopping },
    waitingFor: { kind: 'cancellation', steps: openSteps.map(({ key }) => key) },
    action: post(facts, '/terminate'),
  };
};

const paused: Rule = (facts) =>
  facts.run.status === 'paused'
    ? {
        key: 'paused',
        params: { open_steps: facts.openSteps.filter(({ status }) => status === 'running').length },
        waitingFor: { kind: 'unpause' },
        action: post(facts, '/unpause'),
      }
    : null;

const queued: Rule = (facts) => {
  const { run, temporal } = facts;
  if (run.status !== 'queued') return null;
  const params = {
    seconds: secondsSince(facts, run.created_at),
    queue: ENGINE_QUEUE,
    parent_run_id: run.parent_run_id,
  };
  const of = (key: ExplainKey, kind: string): Finding => ({ key, params, waitingFor: { kind }, action: null });
  if (temporal === null || temporal.isAway) return of('queued.temporal_away', 'temporal');
  if (temporal.pollers === 0) return of('queued.no_worker', 'worker');
  if (temporal.description !== null) return of('queued.starting', 'worker');
  return run.parent_run_id === null ? of('queued.not_started', 'start') : of('queued.by_parent', 'parent');
};

/** The record says it is open, and Temporal, asked after that, says it is not. */
const lost: Rule = (facts) => {
  const { run, temporal } = facts;
  if (temporal === null || temporal.isAway) return null;
  const status = temporal.description?.status ?? null;
  if (status === 'RUNNING' || status === 'PAUSED') return null;
  return {
    key: 'running.lost',
    params: { status: run.status, temporal_status: status?.toLowerCase() ?? null },
    waitingFor: null,
    action: post(facts, '/terminate'),
  };
};

const unmoved: Rule = ({ run, temporal }) => {
  if (temporal === null || temporal.isAway) {
    return {
      key: 'running.temporal_away',
      params: { status: run.status },
      waitingFor: { kind: 'temporal' },
      action: null,
    };
  }
  if (temporal.pollers > 0) return null;
  return { key: 'running.no_worker', params: { queue: ENGINE_QUEUE }, waitingFor: { kind: 'worker' }, action: null };
};

const runningStep = (facts: Facts): StepItem | undefined =>
  facts.openSteps.find((step) => step.status === 'running' && !ownsOthers(facts, step));

/** A map, a loop or a subflow is under way as long as what is inside it. */
const ownsOthers = ({ plan, children }: Facts, step: StepItem): boolean =>
  ['map', 'loop', 'subflow', 'compensate'].includes(kindOf(plan, step)) ||
  children.some(({ parent_key: key }) => key === step.key);

const retrying: Rule = (facts) => {
  const failing = pendingOf(facts).find(({ type, lastFailure }) => type === 'runSegment' && lastFailure !== null);
  if (failing === undefined) return null;
  // the activities of several steps look alike; a step that has failed before is the one that is tried again
  const running = facts.openSteps.filter((step) => step.status === 'running' && !ownsOthers(facts, step));
  const step = running.find(({ error, attempt }) => error !== null || attempt > 1) ?? running[0];
  return step === undefined ? null : retryOf(facts, step, failing);
};

const pendingOf = ({ temporal }: Facts): readonly PendingActivity[] =>
  temporal === null || temporal.isAway ? [] : (temporal.description?.pendingActivities ?? []);

function retryOf(facts: Facts, step: StepItem, { attempt, lastFailure, nextAttemptAt }: PendingActivity): Finding {
  const { node_id: nodeId, error } = step;
  const isDue = nextAttemptAt !== null && nextAttemptAt > facts.now;
  const nextAt = isDue ? iso(nextAttemptAt) : null;
  return {
    key: 'running.retrying',
    params: {
      ...whereOf(facts, nodeId),
      ...othersThan(facts, nodeId),
      attempt,
      max_attempts: facts.plan?.nodes[nodeId]?.policy.maxAttempts ?? null,
      next_at: nextAt,
      message: error?.message ?? lastFailure,
    },
    waitingFor: { kind: 'retry', node_id: nodeId, next_at: nextAt },
    action: null,
  };
}

const activity: Rule = (facts) => {
  const step = runningStep(facts);
  if (step === undefined) return null;
  const seconds = secondsSince(facts, step.started_at);
  return {
    key: 'running.activity',
    params: { ...whereOf(facts, step.node_id), ...othersThan(facts, step.node_id), seconds, attempt: step.attempt },
    waitingFor: { kind: 'step', node_id: step.node_id, key: step.key },
    action: null,
  };
};

const child: Rule = (facts) => {
  const waitedFor = facts.children.flatMap(({ id, parent_key: key }) => {
    const step = facts.openSteps.find((each) => each.key === key);
    return step === undefined ? [] : [{ id, step }];
  });
  const [first] = waitedFor;
  if (first === undefined) return null;
  return {
    key: 'running.child',
    params: {
      ...whereOf(facts, first.step.node_id),
      child_run_id: first.id,
      more_children: waitedFor.length - 1,
    },
    waitingFor: { kind: 'run', run_id: first.id, node_id: first.step.node_id },
    action: null,
    child: first.id,
  };
};

const rules: readonly Rule[] = [
  ended,
  cancelling,
  paused,
  queued,
  lost,
  parked,
  waiting,
  unmoved,
  retrying,
  activity,
  child,
  time,
];
