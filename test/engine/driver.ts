import { visitKey } from '../../workflows/contract/ids.js';
import type { NodeError } from '../../workflows/contract/failures.js';
import { conditionHolds } from '../../workflows/definition/expressions.js';
import type { Plan, PlanEdge, Port } from '../../workflows/definition/plan.js';
import { jsonOf, type Json, type Value } from '../../workflows/definition/values.js';
import { isGroupDone, openItems, openRound, resultOf } from '../../workflows/engine/frames.js';
import { edgesFrom, nodeOf } from '../../workflows/engine/graph.js';
import {
  afterFailure,
  begin,
  cancelNodes,
  complete,
  fail,
  finishNow,
  giveUp,
  nextReady,
  unpark,
} from '../../workflows/engine/reduce.js';
import type { RunState, Visit } from '../../workflows/engine/state.js';
import { start } from '../../workflows/engine/tokens.js';

/** What happens to a run, as plain data: a run is its plan, its input and the list of these. */
export type Happening =
  | { readonly type: 'start'; readonly visit: Visit }
  | {
      readonly type: 'leave';
      readonly visit: Visit;
      readonly output: Value;
      readonly port: Port;
      readonly edges: readonly PlanEdge[];
      readonly vars?: Readonly<Record<string, Value>>;
      /** Withdraws these nodes before it leaves. */
      readonly withdraws?: readonly string[];
    }
  | {
      readonly type: 'fail' | 'give_up';
      readonly visit: Visit;
      readonly error: NodeError;
      readonly edges?: readonly PlanEdge[];
    }
  | { readonly type: 'items'; readonly visit: Visit; readonly items: readonly Value[] }
  | { readonly type: 'round'; readonly visit: Visit; readonly input: Value }
  | { readonly type: 'unpark'; readonly visit: Visit }
  | { readonly type: 'finish'; readonly visit: Visit; readonly output: Value };

export function apply(plan: Plan, state: RunState, what: Happening): RunState {
  const { visit } = what;
  switch (what.type) {
    case 'start':
      return start(state, visit);
    case 'leave':
      return complete(plan, withdrawn(plan, state, what), what);
    case 'fail':
      return fail(plan, state, what);
    case 'give_up':
      return giveUp(plan, state, what);
    case 'items':
      return openItems(plan, state, what);
    case 'round':
      return openRound(plan, state, what);
    case 'unpark':
      return unpark(state, visitKey(visit));
    case 'finish':
      return finishNow(state, what.output);
  }
}

const withdrawn = (
  plan: Plan,
  state: RunState,
  { visit, withdraws }: Extract<Happening, { type: 'leave' }>,
): RunState => (withdraws === undefined ? state : cancelNodes(plan, state, { scope: visit.scope, nodes: withdraws }));

/** What an open visit comes to next. */
export type Outcome =
  | {
      readonly type: 'output';
      readonly output: Value;
      readonly port?: Port;
      readonly vars?: Readonly<Record<string, Value>>;
      readonly endsPath?: boolean;
      readonly withdraws?: readonly string[];
    }
  | { readonly type: 'error'; readonly error: NodeError }
  | { readonly type: 'give_up'; readonly error: NodeError }
  | { readonly type: 'unpark' }
  | { readonly type: 'items'; readonly items: readonly Value[] }
  | { readonly type: 'round'; readonly input: Value }
  | { readonly type: 'finish'; readonly output: Value };

/** What a plan is played with: `names` are what conditions read beside the output. */
export interface Stage {
  readonly plan: Plan;
  readonly names?: Readonly<Record<string, Json>>;
}

/** The edges whose conditions hold, first or all. */
export function chooseEdges(
  { plan, names = {} }: Stage,
  visit: Visit,
  { port, output }: { readonly port: Port; readonly output: Value },
): readonly PlanEdge[] {
  const json = jsonOf(output) ?? null;
  const holding = edgesFrom(plan, visit.nodeId, port).filter(({ condition }) =>
    conditionHolds(condition, { output: json, names: { ...names, input: json } }),
  );
  return nodeOf(plan, visit.nodeId).exits === 'all' ? holding : holding.slice(0, 1);
}

/** An outcome as it happens to a visit. */
export function happening(stage: Stage, visit: Visit, outcome: Outcome): Happening {
  if (outcome.type === 'output') {
    const { endsPath, port = 'out', ...rest } = outcome;
    const edges = endsPath === true ? [] : chooseEdges(stage, visit, { port, output: rest.output });
    return { ...rest, type: 'leave', visit, port, edges };
  }
  if (outcome.type !== 'error') return { ...outcome, visit };
  const after = afterFailure(stage.plan, { visit, error: outcome.error });
  const edges = after === null ? [] : chooseEdges(stage, visit, after);
  return { type: 'fail', visit, error: outcome.error, edges };
}

/** What maps and loops are asked. */
export interface Bodies {
  readonly itemsOf: (visit: Visit) => readonly Value[];
  /** Asked before each round. */
  readonly goesOn: (visit: Visit, round: number, input: Value) => boolean;
}

/** How a map or loop moves on by itself: null for any other node, and while its body is under way. */
export function moveBody({ plan }: Stage, state: RunState, visit: Visit): ((bodies: Bodies) => Outcome | null) | null {
  const { kind } = nodeOf(plan, visit.nodeId);
  if (kind !== 'map' && kind !== 'loop') return null;
  const key = visitKey(visit);
  const group = state.groups[key];
  return (bodies) => {
    if (group === undefined) return kind === 'map' ? { type: 'items', items: bodies.itemsOf(visit) } : round(bodies, 0);
    if (group.error !== null) return { type: 'error', error: group.error };
    if (!isGroupDone(state, key)) return null;
    return kind === 'map' ? { type: 'output', output: resultOf(state, key, true) } : round(bodies, group.next);
  };

  function round({ goesOn }: Bodies, index: number): Outcome {
    const input = index === 0 ? visit.input : resultOf(state, key, false);
    return goesOn(visit, index, input) ? { type: 'round', input } : { type: 'output', output: input };
  }
}

export interface Played {
  readonly state: RunState;
  readonly happenings: readonly Happening[];
  /** Before anything, and after each happening. */
  readonly states: readonly RunState[];
}

export type Next = (state: RunState, visit: Visit, past: readonly Happening[]) => Happening | null;

export interface Play {
  readonly plan: Plan;
  readonly input: Value;
  /** What could happen to an open visit now. */
  readonly next: Next;
  /** Chooses one of so many things that could happen now. */
  readonly pick: (choices: number) => number;
  readonly limit?: number;
  /** Keeps every state that was; default yes. */
  readonly keepsStates?: boolean;
}

/** Plays a run to its end; throws when it stands still before. */
export function play({ plan, input, next, pick, limit = 4_000, keepsStates = true }: Play): Played {
  let state = begin(plan, input);
  const states = [state];
  const happenings: Happening[] = [];
  while (state.end === null) {
    const now = state;
    const chosen = choose(plan, now, { pick, next: (visit) => next(now, visit, happenings) });
    if (chosen === null) throw new Error(`the run stands still: ${JSON.stringify(state)}`);
    if (happenings.length >= limit) throw new Error('the run does not end');
    happenings.push(chosen);
    state = apply(plan, state, chosen);
    if (keepsStates) states.push(state);
  }
  return { state, happenings, states };
}

interface Choice {
  readonly pick: Play['pick'];
  readonly next: (visit: Visit) => Happening | null;
}

/** One of the things that could happen now. */
function choose(plan: Plan, state: RunState, { pick, next }: Choice): Happening | null {
  const due = nextReady(plan, state);
  const choices: (Visit | null)[] = [...(due === undefined ? [] : [null]), ...Object.values(state.open)];
  while (choices.length > 0) {
    const [visit] = choices.splice(pick(choices.length), 1);
    const what = visit === null || visit === undefined ? due : next(visit);
    if (what !== null && what !== undefined) return 'type' in what ? what : { type: 'start', visit: what };
  }
  return null;
}

/** Always the oldest thing: starts come first. */
export const inOrder = (): number => 0;

/** An order of its own for each seed. */
export function shuffled(seed: number): (choices: number) => number {
  let word = seed >>> 0;
  return (choices) => {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((word / 2 ** 32) * choices);
  };
}
