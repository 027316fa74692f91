import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { visitKey } from '../../workflows/contract/ids.js';
import type { Plan } from '../../workflows/definition/plan.js';
import { inline } from '../../workflows/definition/values.js';
import { begin, cancel, finishNow, nextReady } from '../../workflows/engine/reduce.js';
import type { RunState } from '../../workflows/engine/state.js';
import { blockPlans, racePlans } from './blocks.js';
import { apply, play, shuffled, type Happening, type Played } from './driver.js';
import { checkLaws } from './laws.js';
import { confluentPlans, randomPlans } from './random-plans.js';
import { scripted } from './scripted.js';

/** The same every time, so that a build never fails for another's change. */
const settings = (numRuns: number) => ({ seed: 20_261_125, numRuns });
const input = inline('in');

const anyPlan = fc.oneof(
  randomPlans({ isConfluent: false, hasCycles: false }),
  randomPlans({ isConfluent: false, hasCycles: true }),
  confluentPlans(),
  blockPlans(),
  racePlans(),
);

interface Asked {
  readonly plan: Plan;
  readonly seed: number;
  readonly order: number;
  readonly mends?: boolean;
}

const playIn = ({ plan, seed, order, mends = false }: Asked): Played =>
  play({ plan, input, next: scripted(plan, seed, { mends }), pick: shuffled(order) });

// -- reason: what came out of JSON is what went in, if it is plain data; that is what is tested
const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

const text = (state: RunState): string => JSON.stringify(state);

test('whatever the plan and the order, the laws of laws.ts hold', () => {
  fc.assert(
    fc.property(anyPlan, fc.nat(), fc.nat(), (plan, seed, order) => checkLaws(plan, playIn({ plan, seed, order }))),
    settings(600),
  );
});

test('a confluent plan comes to the same end by the same visits in any order', () => {
  const outcome = ({ state, happenings }: Played) => ({
    end: state.end,
    visits: state.visits,
    done: happenings
      .flatMap((what) => (what.type === 'leave' ? [`${visitKey(what.visit)} ${JSON.stringify(what.output)}`] : []))
      .toSorted(),
  });
  fc.assert(
    fc.property(
      fc.oneof(confluentPlans(), blockPlans()),
      fc.nat(),
      fc.array(fc.nat(), { minLength: 3, maxLength: 3 }),
      (plan, seed, orders) => {
        const [first, ...others] = orders.map((order) => outcome(playIn({ plan, seed, order, mends: true })));
        expect(first?.end?.status).toBe('completed');
        for (const other of others) expect(other).toEqual(first);
      },
    ),
    settings(250),
  );
});

test('a join that goes on without the rest fires once for each time its split ran, in cycles too', () => {
  fc.assert(
    fc.property(racePlans(), fc.nat(), fc.nat(), (plan, seed, order) => {
      const { visits } = playIn({ plan, seed, order }).state;
      const joins = Object.keys(plan.nodes).filter((id) => id.startsWith('after-race'));
      for (const id of joins) expect(visits[id]).toBe(visits[id.replace('after-', '')]);
    }),
    settings(250),
  );
});

test('a crash after anything that happened, and a replay, give the same state', () => {
  fc.assert(
    fc.property(anyPlan, fc.nat(), fc.nat(), (plan, seed, order) => {
      const { happenings, states } = playIn({ plan, seed, order });
      let state = begin(copy(plan), input);
      copy(happenings).forEach((what, index) => {
        expect(text(state)).toBe(text(states[index] ?? state));
        state = apply(plan, state, what);
      });
      expect(text(state)).toBe(text(states.at(-1) ?? state));
    }),
    settings(150),
  );
});

test('a state survives JSON at any point and goes on as if nothing had been', () => {
  fc.assert(
    fc.property(anyPlan, fc.nat(), fc.nat(), (plan, seed, order) => {
      const { happenings, states } = playIn({ plan, seed, order });
      const end = happenings.reduce<RunState>(
        (state, what) => copy(apply(plan, state, what)),
        copy(begin(plan, input)),
      );
      expect(end).toEqual(states.at(-1));
      for (const state of states) expect(copy(state)).toEqual(state);
    }),
    settings(150),
  );
});

test('what has ended stays as it is, and what was withdrawn never completes', () => {
  fc.assert(
    fc.property(anyPlan, fc.nat(), fc.nat(), (plan, seed, order) => {
      const { happenings, states, state: ended } = playIn({ plan, seed, order });
      const late = happenings.filter((what) => what.type !== 'start' && what.type !== 'unpark');
      for (const what of late) expect(apply(plan, ended, what)).toBe(ended);
      expect(cancel(ended, null)).toBe(ended);
      expect(finishNow(ended, input)).toBe(ended);
      expect(nextReady(plan, ended)).toBeUndefined();
      const withdrawn = happenings.flatMap((what, index) => lateAnswers(what, states[index], states[index + 1]));
      for (const { what, state } of withdrawn) expect(apply(plan, state, what)).toBe(state);
    }),
    settings(150),
  );
});

/** An answer for each visit that was under way and that something else ended. */
function lateAnswers(what: Happening, before?: RunState, after?: RunState) {
  const gone = Object.entries(before?.open ?? {}).filter(
    ([key]) => key !== visitKey(what.visit) && after?.open[key] === undefined,
  );
  return gone.flatMap(([, visit]) => {
    const answer: Happening = { type: 'leave', visit, output: inline('late'), port: 'out', edges: [] };
    return after === undefined ? [] : [{ what: answer, state: after }];
  });
}
