import type { Sink } from './sink.js';

/** The graphs under test: a desk that packs, asks, waits and ships, and the carrier it calls as a subflow. */

/** So patient that the sink's faults never use it up. */
const retry = { max_attempts: 40, initial_seconds: 0.1, max_seconds: 0.5 };
/** A call that hangs is given up after so many seconds. */
const timeout = 2;

type Door = 'keyed' | 'naive';

interface Effect {
  readonly door: Door;
  readonly unknown: 'repeat' | 'reconcile' | 'ask';
  readonly undo?: string;
  readonly within?: string;
  readonly body?: object;
}

/** Only a receiver that honours keys may be sent the same again. */
function effect(sink: Pick<Sink, 'url'>, id: string, { door, unknown, undo, within, body = {} }: Effect): object {
  const policies = {
    repeat: { action: 'repeat' },
    ask: { action: 'ask' },
    reconcile: {
      action: 'reconcile',
      url: `${sink.url('seen')}?key={{ idempotency_key | url_encode }}`,
      done_when: 'body.done == true',
    },
  };
  return {
    ...{ id, type: 'http', retry, timeout },
    ...(undo === undefined ? {} : { undo }),
    ...(within === undefined ? {} : { within }),
    config: {
      method: 'POST',
      url: sink.url(door),
      body: { run: '{{ run.id }}', node: id, order: '{{ run.input.order }}', ...body },
      on_unknown: policies[unknown],
    },
  };
}

const line = (...ids: readonly string[]): readonly object[] =>
  ids.slice(1).map((target, index) => ({ source: ids[index], target }));

const refusedIn = (mode: string): object => ({ refuse: { $expr: `run.input.mode == "${mode}"` } });

export function carrierGraph(sink: Pick<Sink, 'url'>): object {
  return {
    nodes: [
      { id: 'start', type: 'start' },
      effect(sink, 'book', { door: 'naive', unknown: 'reconcile', undo: 'un_book' }),
      effect(sink, 'confirm', { door: 'keyed', unknown: 'repeat', body: refusedIn('child_fails') }),
      effect(sink, 'un_book', { door: 'naive', unknown: 'reconcile' }),
      { id: 'done', type: 'end' },
    ],
    edges: line('start', 'book', 'confirm', 'done'),
  };
}

export function deskGraph(sink: Pick<Sink, 'url'>, carrierId: string): object {
  const place = { order: '{{ run.input.order }}', mode: '{{ run.input.mode }}' };
  const event = { name: EVENT, key: '{{ run.input.order }}' };
  return {
    nodes: [
      { id: 'start', type: 'start' },
      effect(sink, 'reserve', { door: 'keyed', unknown: 'repeat', undo: 'un_reserve' }),
      { id: 'split', type: 'parallel' },
      effect(sink, 'bill', { door: 'naive', unknown: 'reconcile', undo: 'un_bill' }),
      effect(sink, 'label', { door: 'naive', unknown: 'ask', undo: 'un_label' }),
      { id: 'both', type: 'join' },
      { id: 'each', type: 'map', config: { items: 'run.input.items', entry: 'pack', concurrency: 2 } },
      effect(sink, 'pack', {
        ...{ door: 'keyed', unknown: 'repeat', undo: 'un_pack', within: 'each' },
        body: { item: '{{ item }}' },
      }),
      { id: 'child', type: 'subflow', undo: 'un_child', config: { definition: carrierId, input: place } },
      { id: 'approve', type: 'approval', config: { prompt: 'Ship {{ run.input.order }}?', quorum: 2 } },
      { id: 'paid', type: 'wait_event', config: event },
      effect(sink, 'ship', { door: 'keyed', unknown: 'repeat', undo: 'un_ship', body: refusedIn('fail') }),
      { id: 'arrived', type: 'wait_event', config: event },
      { id: 'done', type: 'end', config: { output: { shipped: '{{ run.input.order }}' } } },
      effect(sink, 'un_reserve', { door: 'keyed', unknown: 'repeat' }),
      effect(sink, 'un_bill', { door: 'naive', unknown: 'reconcile' }),
      effect(sink, 'un_label', { door: 'naive', unknown: 'ask' }),
      effect(sink, 'un_pack', { door: 'keyed', unknown: 'repeat', within: 'each' }),
      effect(sink, 'un_child', { door: 'keyed', unknown: 'repeat' }),
      effect(sink, 'un_ship', { door: 'keyed', unknown: 'repeat' }),
    ],
    edges: [
      ...line('start', 'reserve', 'split'),
      ...line('split', 'bill', 'both'),
      ...line('split', 'label', 'both'),
      ...line('both', 'each', 'child', 'approve', 'paid', 'ship', 'arrived', 'done'),
    ],
  };
}

export const EVENT = 'parcel.moved';
export const DESK = 'packing-desk';

/** Nodes that act, and what undoes each. */
export const undoneBy: Readonly<Record<string, string | null>> = {
  ...{ reserve: 'un_reserve', bill: 'un_bill', label: 'un_label', pack: 'un_pack', ship: 'un_ship', child: 'un_child' },
  ...{ book: 'un_book', confirm: null },
};
