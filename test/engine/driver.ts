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

/** The edges whose conditions hold, first or all. */
export function chooseEdges(plan: Plan, visit: Visit, { port, output }: { port: Port; output: Value }, names = {}) {
  const json = jsonOf(output) ?? null;
  const holding = edgesFrom(plan, visit.nodeId, port).filter(({ condition }) =>
    conditionHolds(condition, { output: json, names: { ...names, input: json } }),
  );
  return nodeOf(plan, visit.nodeId).exits === 'all' ? holding : holding.slice(0, 1);
}

/** An outcome as it happens to a visit; `names` are what conditions read. */
export function happening(
  plan: Plan,
  visit: Visit,
  outcome: Outcome,
  names: Readonly<Record<string, Json>> = {},
): Happening {
  switch (outcome.type) {
    case 'output': {
      const { endsPath, port = 'out', ...rest } = outcome;
      const edges = endsPath === true ? [] : chooseEdges(plan, visit, { port, output: rest.output }, names);
      return { ...rest, type: 'leave', visit, port, edges };
    }
    case 'error': {
      const after = afterFailure(plan, { visit, error: outcome.error });
      const edges = after === null ? [] : chooseEdges(plan, visit, after, names);
      return { type: 'fail', visit, error: outcome.error, edges };
    }
    default:
      return { ...outcome, visit };
  }
}

/** How maps and loops move on by themselves: null while their bodies are under way. */
export interface Bodies {
  readonly itemsOf: (visit: Visit) => readonly Value[];
  /** Asked before each round. */
  readonly goesOn: (visit: Visit, round: number, input: Value) => boolean;
}

export function moveBody(state: RunState, visit: Visit, kind: 'map' | 'loop', bodies: Bodies): Outcome | null {
  const key = visitKey(visit);
  const group = state.groups[key];
  if (group !== undefined && group.error !== null) return { type: 'error', error: group.error };
  if (group !== undefined && !isGroupDone(state, key)) return null;
  if (kind === 'map') {
    if (group === undefined) return { type: 'items', items: bodies.itemsOf(visit) };
    return { type: 'output', output: resultOf(state, key, true) };
  }
  const input = group === undefined ? visit.input : resultOf(state, key, false);
  return bodies.goesOn(visit, group?.next ?? 0, input) ? { type: 'round', input } : { type: 'output', output: input };
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
}

/** Plays a run to its end; throws when it stands still before. */
export function play({ plan, input, next, pick, limit = 4_000 }: Play): Played {
  const states = [begin(plan, input)];
  const happenings: Happening[] = [];
  for (;;) {
    const state = states.at(-1) ?? begin(plan, input);
    if (state.end !== null) return { state, happenings, states };
    const chosen = choose(plan, state, { pick, next: (visit) => next(state, visit, happenings) });
    if (chosen === null) throw new Error(`the run stands still: ${JSON.stringify(state)}`);
    if (happenings.length >= limit) throw new Error('the run does not end');
    happenings.push(chosen);
    states.push(apply(plan, state, chosen));
  }
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
