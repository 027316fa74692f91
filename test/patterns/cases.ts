import type { Json } from '../../workflows/definition/values.js';
import type { Port } from '../../workflows/definition/plan.js';

/** Something done to a run from outside, once a visit is under way. */
export type Act = { readonly once: string } & (
  { readonly event: string; readonly payload?: Json } | { readonly approve: 'ana' | 'ben' } | { readonly cancel: true }
);

export interface Case {
  readonly input?: Json;
  readonly acts?: readonly Act[];
  /** Default `completed`. */
  readonly ends?: 'failed' | 'cancelled';
  /** The nodes whose visits were completed, one word a visit, in any order. */
  readonly done: string;
  readonly output?: Json;
  /** Visits that were withdrawn. */
  readonly withdrawn?: string;
  /** Who is first makes no difference to what is done, when each wait ends by the port named here or `out`. */
  readonly anyOrder?: Readonly<Record<string, Port>>;
}

const same = {};
const chosen = { a: true, b: false, c: true };

/** One case for each definition of a pattern. */
export const cases: Readonly<Record<string, Case>> = {
  sequence: { done: 'a b c', output: 'c done', anyOrder: same },
  'parallel-split': { done: 'split a b', output: { a: 'a done', b: 'b done' }, anyOrder: same },
  synchronization: { done: 'split a b both c', output: 'c done', anyOrder: same },
  'exclusive-choice': { input: { amount: 200 }, done: 'choose a', anyOrder: same },
  'simple-merge': { input: { amount: 20 }, done: 'choose b c', output: 'c done', anyOrder: same },
  'multi-choice': { input: chosen, done: 'some a c', anyOrder: same },
  'structured-synchronizing-merge': { input: chosen, done: 'some a c taken d', output: 'd done', anyOrder: same },
  'multi-merge': { done: 'split a b c c', output: { c: 'c done' }, anyOrder: same },
  'structured-discriminator': { done: 'split a slow b first c', output: 'c done', anyOrder: same },
  'arbitrary-cycles': {
    input: { at: 'b' },
    done: 'zero enter b count again a b count again out',
    output: 'out done',
    anyOrder: same,
  },
  'implicit-termination': { done: 'split a slow b', output: { a: 'a done', b: 'b done' }, anyOrder: same },
  'multiple-instances-without-synchronization': {
    input: { orders: [1, 2] },
    done: 'each call call after work',
  },
  'multiple-instances-design-time': { done: 'each work work work after', anyOrder: same },
  'multiple-instances-run-time': {
    input: { orders: ['x', 'y', 'z', 'u'] },
    done: 'each work work work work after',
    anyOrder: same,
  },
  'multiple-instances-without-prior-knowledge': {
    acts: [
      { once: 'all/1/0/more/1', event: 'another' },
      { once: 'all/1/0/more/2', event: 'another' },
    ],
    done: 'all more both work more both work more closed after',
    output: 'after done',
  },
  'deferred-choice': {
    acts: [{ once: 'paid/1', event: 'withdrawal' }],
    done: 'split withdrawn first which close',
    withdrawn: 'paid',
  },
  'interleaved-parallel-routing': { done: 'split a b c all after', anyOrder: same },
  milestone: {
    acts: [
      { once: 'extra/1', event: 'extra' },
      { once: 'extra/2', event: 'extra' },
      { once: 'extra/3', event: 'close' },
    ],
    done: 'a open extra take extra take close shut c',
    withdrawn: 'extra',
    output: 'c done',
  },
  'cancel-task': { done: 'split fast stop', withdrawn: 'slow', anyOrder: same },
  'cancel-case': { acts: [{ once: 'ask/1', cancel: true }], done: 'split a', ends: 'cancelled' },
  'structured-loop': { done: 'zero again work work work count count count after', anyOrder: same },
  recursion: { input: { n: 2 }, done: 'choose call up bottom', output: { depth: 2 } },
  'transient-trigger': {
    acts: [
      { once: 'busy/1', event: 'signal', payload: 'early' },
      { once: 'busy/1', event: 'ready' },
      { once: 'listen/1', event: 'signal', payload: 'late' },
    ],
    done: 'busy drop drop listen go',
  },
  'persistent-trigger': {
    acts: [
      { once: 'busy/1', event: 'signal' },
      { once: 'busy/1', event: 'ready' },
    ],
    done: 'busy listen go',
    anyOrder: same,
  },
  'cancel-region': {
    acts: [{ once: 'keep/1', event: 'keep' }],
    done: 'split fast stop keep kept',
    withdrawn: 'one two',
    output: { kept: 'kept done', stop: 'fast done' },
  },
  'cancel-multiple-instances': { done: 'split fast stop', withdrawn: 'each ask ask ask', anyOrder: same },
  'complete-multiple-instances': {
    acts: [
      { once: 'each/1/1/ask/1', event: 'answer', payload: 'yes' },
      { once: 'each/1/1/ask/1', event: 'enough' },
    ],
    done: 'none split ask note enough first known',
    withdrawn: 'each ask ask',
    output: { answers: ['yes'] },
  },
  'blocking-discriminator': {
    done: 'again split a slow b first c split a slow b first c after',
    output: 'after done',
    anyOrder: same,
  },
  'cancelling-discriminator': { done: 'split a first c', withdrawn: 'slow', output: 'c done', anyOrder: same },
  'structured-partial-join': { done: 'split a b slow c two d', output: 'd done', anyOrder: same },
  'blocking-partial-join': { done: 'again split a b slow c two d split a b slow c two d after', anyOrder: same },
  'cancelling-partial-join': { done: 'split a b two d', withdrawn: 'slow', output: 'd done', anyOrder: same },
  'generalised-and-join': { done: 'split x y p p q q pair pair z z', anyOrder: same },
  'static-partial-join-for-multiple-instances': {
    input: { orders: [1, 2, 3] },
    done: 'zero more more more more next next next both both both spawned work work work finish finish finish second second second after rest rest',
    anyOrder: same,
  },
  'cancelling-partial-join-for-multiple-instances': {
    input: { orders: [1, 2, 3] },
    acts: [
      { once: 'work/3', event: 'answer' },
      { once: 'work/3', event: 'answer' },
    ],
    done: 'zero more more more more next next next both both both spawned work work finish finish second second rest stop after',
    withdrawn: 'work',
  },
  'dynamic-partial-join-for-multiple-instances': {
    acts: [
      { once: 'more/1', event: 'another' },
      { once: 'more/2', event: 'another' },
      { once: 'more/3', event: 'another' },
      { once: 'work/3', event: 'answer' },
      { once: 'work/3', event: 'answer' },
    ],
    done: 'zero more more more both both both work work finish finish second second rest stop after',
    withdrawn: 'more work',
  },
  'local-synchronizing-merge': {
    input: { a: true, b: true, ok: false },
    done: 'some a check aside b taken z',
    anyOrder: same,
  },
  'general-synchronizing-merge': {
    done: 'zero count split a some x inner outer again count split a some x y inner outer again z',
    output: 'z done',
    anyOrder: same,
  },
  'critical-section': { done: 'split first f1 f2 second s1 s2 both after', anyOrder: same },
  'interleaved-routing': { done: 'split a b c all after', anyOrder: same },
  'thread-split': { done: 'split work work work', anyOrder: same },
  'thread-merge': {
    done: 'zero split work work work count count count all all all after gone gone',
    anyOrder: same,
  },
  'explicit-termination': { done: 'split a stop', output: { ended: 'early' }, anyOrder: same },
  compensation: { done: 'reserve charge refund release', ends: 'failed' },
  'exception-handling': { done: 'mend after', output: 'after done' },
  deadline: { done: 'ask late', output: 'late done', anyOrder: { ask: 'expired' } },
  'time-boxed-region': { done: 'x late', withdrawn: 'y', output: 'late done' },
  'four-eyes': {
    acts: [
      { once: 'ask/1', approve: 'ana' },
      { once: 'ask/1', approve: 'ben' },
    ],
    done: 'ask pay',
    output: 'pay done',
    anyOrder: { ask: 'approved' },
  },
};
