import type { Client } from './client.js';
import type { Evidence } from './evidence.js';
import type { KillCounts } from './killer.js';
import type { ChaosOptions } from './options.js';
import type { Received } from './sink.js';

export interface Result {
  readonly options: ChaosOptions;
  readonly evidence: Evidence;
  readonly client: Client;
  readonly counts: KillCounts;
  readonly ownExits: number;
  readonly stallMs: number;
  readonly calmMs: number;
  readonly limbo: number;
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

export function linesOf({ options, evidence, ...result }: Result): readonly (readonly [string, string])[] {
  const { sink, receiver, hooks, ledger, graphs, follower, followers } = evidence;
  const { truths, votes, repeatedEvents } = graphs.counts;
  const received = [...sink.received().values()];
  const sum = (of: (each: Received) => number): number => received.reduce((total, each) => total + of(each), 0);
  const rivals = [...ledger.decisions.values()].filter((each) => each.unclear).length;
  const kills = Object.entries(result.counts).map(([kind, count]) => `${count} ${kind}`);
  const connections = [...followers.values()].reduce((total, each) => total + each.connections(), 0);
  return [
    ['runs', `${options.runs} of a chain and ${options.graphs} of a graph, ${result.client.attempts()} requests`],
    ['kills', kills.join(', ')],
    ['ended by themselves', `${result.ownExits} processes`],
    [
      'effects',
      `${sum((each) => each.effects)} in ${sum((each) => each.deliveries)} deliveries, ${sink.refused()} met a fault, ` +
        `${sum((each) => each.duplicates)} duplicates suppressed by their key`,
    ],
    ['unknown outcomes', `${sink.asked()} questions to the receiver, ${truths} to people`],
    ['cancelled under way', `${result.limbo} effects of calls that were cancelled as they took place`],
    ['decisions', `${ledger.decisions.size} of chains (${rivals} with a lost answer), ${votes} of two people`],
    ['events', `${graphs.events.size} posted, ${repeatedEvents} of them twice`],
    [
      'webhooks out',
      `${receiver.told.size} events in ${[...receiver.told.values()].reduce((total, each) => total + each.deliveries, 0)} deliveries`,
    ],
    ['webhooks in', `${hooks.sent.accepted.size} messages in ${hooks.sent.attempts} requests`],
    ['streams', `${follower.heard.length} messages in ${follower.connections()} connections`],
    ['streams of runs', `${followers.size} in ${connections} connections`],
    ['longest stall', `${seconds(result.stallMs)} in which no run moved`],
    ['after the last kill', `${seconds(result.calmMs)} until every run had ended`],
    ['seed', String(options.seed)],
  ];
}
