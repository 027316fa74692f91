import type { HandWorkflow } from './hand/workflow.js';

/** What is measured beside each other; the first of a group is written by hand, and the others are compared with it. */

/** How one run of it is made. */
export type Way =
  | { readonly by: 'hand'; readonly workflow: HandWorkflow }
  /** Started through REST; the database tells when it has ended. */
  | { readonly by: 'chain' | 'graph'; readonly slug: string }
  /** One request, answered with the output. */
  | { readonly by: 'wait'; readonly slug: string };

export interface Subject {
  readonly name: string;
  readonly way: Way;
}

export interface Group {
  readonly id: string;
  readonly title: string;
  /** So many runs a round for each of an ordinary one. */
  readonly share: number;
  readonly subjects: readonly [Subject, ...Subject[]];
}

const hand = (name: string, workflow: HandWorkflow): Subject => ({ name, way: { by: 'hand', workflow } });
const graph = (name: string, slug: string): Subject => ({ name, way: { by: 'graph', slug } });

export const GROUPS: readonly Group[] = [
  {
    ...{ id: 'chain', title: 'Three steps', share: 1 },
    subjects: [
      hand('hand-written, 3 activities', 'handWritten'),
      { name: 'chain, 3 durable steps', way: { by: 'chain', slug: 'agents' } },
      { name: 'chain, 3 fast steps', way: { by: 'chain', slug: 'notes' } },
      graph('graph, 3 durable steps', 'steps'),
      { name: 'the same, POST with wait', way: { by: 'wait', slug: 'steps' } },
    ],
  },
  {
    ...{ id: 'fan', title: 'One, then 18 at once, then one', share: 0.5 },
    subjects: [
      hand('hand-written, 20 activities', 'handFan'),
      graph('graph, 20 durable nodes', 'fan'),
      graph('graph, 20 fast nodes', 'fast-fan'),
    ],
  },
  {
    ...{ id: 'map', title: '50 items, 10 at a time', share: 0.25 },
    subjects: [hand('hand-written, 50 activities', 'handMap'), graph('graph, map of 50 items', 'map')],
  },
  {
    ...{ id: 'inline', title: '50 assignments and branches', share: 1 },
    subjects: [hand('hand-written, no activity', 'handInline'), graph('graph, 50 inline nodes', 'inline')],
  },
];
