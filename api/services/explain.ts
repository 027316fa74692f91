import type { RunRef } from '../../workflows/contract/run.js';
import { gatherFacts, type ExplainDeps, type Facts } from './explain-facts.js';
import type { Action } from './explain-finding.js';
import { findingOf } from './explain-rules.js';
import { sentences, type ExplainKey, type Params } from './explain-words.js';

export interface Evidence {
  /** The table, or `temporal`. */
  readonly source: string;
  readonly fact: string;
  readonly at: Date | null;
}

export interface Explanation {
  readonly sentence: string;
  readonly key: ExplainKey;
  readonly params: Params;
  readonly evidence: readonly Evidence[];
  readonly waiting_for: Params | null;
  readonly action: Action | null;
}

export interface ExplainService {
  /** In one sentence why the run is where it is, and the call that moves it. */
  readonly run: (run: RunRef) => Promise<Explanation>;
}

export const createExplainService = (deps: ExplainDeps): ExplainService => ({
  run: (run) => explain(deps, run, 1),
});

async function explain(deps: ExplainDeps, run: RunRef, levels: number): Promise<Explanation> {
  const facts = await gatherFacts(deps, run);
  const { key, params, waitingFor, action, child } = findingOf(facts);
  const evidence = evidenceOf(facts);
  if (child === undefined) return explanation({ key, params, evidence, waiting_for: waitingFor, action });
  const inner = levels > 0 ? await explain(deps, { ...run, runId: child }, levels - 1) : UNTOLD;
  return explanation({
    key,
    params: { ...params, child: inner.sentence, child_key: inner.key },
    evidence: [...evidence, ...inner.evidence],
    waiting_for: { ...waitingFor, of: inner.waiting_for },
    action: inner.action,
  });
}

/** A run below the one that is asked about waits for yet another: that is for it to explain. */
const UNTOLD = {
  sentence: 'It has an explanation of its own.',
  key: null,
  evidence: [],
  waiting_for: null,
  action: null,
};

const explanation = (found: Omit<Explanation, 'sentence'>): Explanation => ({
  sentence: sentences[found.key](found.params),
  ...found,
});

const SHOWN = 10;

function evidenceOf(facts: Facts): readonly Evidence[] {
  const { run, waits, openSteps, failedStep } = facts;
  const since = run.ended_at ?? run.started_at ?? run.created_at;
  const steps = failedStep === null ? openSteps : [failedStep];
  return [
    { source: 'runs', fact: `The run ${run.id} is ${run.status}.`, at: since },
    ...(run.cancel_requested_at === null
      ? []
      : [{ source: 'runs', fact: 'Somebody asked to cancel it.', at: run.cancel_requested_at }]),
    ...steps.slice(0, SHOWN).map((step) => ({
      source: 'run_steps',
      fact: `${step.key} is ${step.status} in attempt ${step.attempt}${step.error === null ? '' : `: ${step.error.message}`}`,
      at: step.ended_at ?? step.started_at,
    })),
    ...waits.slice(0, SHOWN).map((wait) => ({
      source: 'waits',
      fact: `${wait.token} is open (${wait.kind}, ${wait.votes.length} votes).`,
      at: wait.expires_at,
    })),
    ...temporalEvidence(facts),
  ];
}

function temporalEvidence({ temporal, now }: Facts): readonly Evidence[] {
  if (temporal === null) return [];
  const fact = (text: string): Evidence => ({ source: 'temporal', fact: text, at: now });
  if (temporal.isAway) return [fact(`Temporal does not answer: ${temporal.reason}`)];
  const { description, pollers } = temporal;
  const polled = fact(`${pollers} worker${pollers === 1 ? '' : 's'} asked for work within the last two minutes.`);
  if (description === null) return [fact('Temporal knows no such run.'), polled];
  const { status, historyLength, pendingActivities } = description;
  return [
    fact(`The workflow is ${status} after ${historyLength} history events.`),
    polled,
    ...pendingActivities
      .slice(0, SHOWN)
      .map(({ type, state, attempt, lastFailure }) =>
        fact(`${type} is ${state} in attempt ${attempt}${lastFailure === null ? '' : `, after: ${lastFailure}`}`),
      ),
  ];
}
