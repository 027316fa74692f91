import { frameId, visitKey } from '../contract/ids.js';
import type { NodeError } from '../contract/failures.js';
import type { NodeOf, Plan } from '../definition/plan.js';
import { inline, jsonOf, type Value } from '../definition/values.js';
import { inPlanOrder, nodeOf } from './graph.js';
import { joinInput } from './joins.js';
import { put, without, withoutInside } from './records.js';
import type { Arrival, Frame, Group, RunState, Visit } from './state.js';
import { dropInside, enter, isOpen, stepped } from './tokens.js';

/** Begins the body of an open map: as many items at once as it allows. */
export function openItems(plan: Plan, state: RunState, of: { visit: Visit; items: readonly Value[] }): RunState {
  if (state.end !== null || !isOpen(state, of.visit)) return state;
  const owner = visitKey(of.visit);
  const group: Group = { items: of.items, next: 0, results: of.items.map(() => null), ended: 0, error: null };
  return beginFrames(plan, { ...stepped(state), groups: put(state.groups, owner, group) }, of.visit);
}

/** Begins the next round of an open loop. */
export function openRound(plan: Plan, state: RunState, of: { visit: Visit; input: Value }): RunState {
  if (state.end !== null || !isOpen(state, of.visit)) return state;
  const owner = visitKey(of.visit);
  const before = state.groups[owner];
  const round = before?.next ?? 0;
  const group: Group = { items: [], next: round + 1, results: [null], ended: round, error: null };
  const next = { ...stepped(state), groups: put(state.groups, owner, group) };
  return beginFrame(plan, next, { visit: of.visit, index: round, item: of.input });
}

export const isGroupDone = (state: RunState, owner: string): boolean => {
  const group = state.groups[owner];
  if (group === undefined || group.error !== null) return false;
  return group.items.length === 0 ? group.ended >= group.next : group.ended === group.items.length;
};

/** What the body of a map or loop came to. */
export function resultOf(state: RunState, owner: string, isMap: boolean): Value {
  const results = (state.groups[owner]?.results ?? []).map((each) => each ?? inline(null));
  if (!isMap) return results[0] ?? inline(null);
  const list = { list: results };
  const json = jsonOf(list);
  return json === undefined ? list : inline(json);
}

function beginFrames(plan: Plan, state: RunState, visit: Visit): RunState {
  const owner = visitKey(visit);
  const group = state.groups[owner];
  const node = nodeOf(plan, visit.nodeId);
  if (group === undefined || node.kind !== 'map' || group.next >= group.items.length) return state;
  if (group.next - group.ended >= node.config.concurrency) return state;
  const item = group.items[group.next] ?? inline(null);
  const counted = { ...state, groups: put(state.groups, owner, { ...group, next: group.next + 1 }) };
  return beginFrames(plan, beginFrame(plan, counted, { visit, index: group.next, item }), visit);
}

interface NewFrame {
  readonly visit: Visit;
  readonly index: number;
  readonly item: Value;
}

function beginFrame(plan: Plan, state: RunState, { visit, index, item }: NewFrame): RunState {
  const owner = visitKey(visit);
  const id = frameId(owner, index);
  const course = { visits: {}, arrivals: {}, sinks: [] };
  const frame: Frame = { owner, nodeId: visit.nodeId, scope: visit.scope, index, item, ...course };
  // -- reason: only maps and loops open frames
  const { config } = nodeOf(plan, visit.nodeId) as NodeOf<'map' | 'loop'>;
  const framed = { ...state, frames: put(state.frames, id, frame) };
  return enter(framed, { scope: id, nodeId: config.entry, input: item });
}

/** An item or round failed and so does its map or loop: nothing of it goes on. */
export function failGroup(state: RunState, owner: string, error: NodeError): RunState {
  const emptied = dropInside(stepped(state), owner);
  const group = emptied.groups[owner];
  return group === undefined ? emptied : { ...emptied, groups: put(emptied.groups, owner, { ...group, error }) };
}

/** Takes the result of a frame in which nothing is left to do, and begins the next item of its map. */
export function endFrame(plan: Plan, state: RunState, { id, result }: { id: string; result: Value }): RunState {
  const frame = state.frames[id];
  if (frame === undefined) return state;
  const outputs = withoutInside(state.outputs, `${id}/`);
  const left = { ...stepped(state), outputs, frames: without(state.frames, id) };
  const group = left.groups[frame.owner];
  const visit = left.open[frame.owner];
  if (group === undefined || visit === undefined) return left;
  const at = group.items.length === 0 ? 0 : frame.index;
  const counted = { ...group, results: group.results.with(at, result), ended: group.ended + 1 };
  return beginFrames(plan, { ...left, groups: put(left.groups, frame.owner, counted) }, visit);
}

/** One loose end gives the output; several give an object by node, of each node what came last. */
export function outputOf(plan: Plan, sinks: readonly Arrival[]): Value {
  const [only] = sinks;
  if (only === undefined) return inline(null);
  return sinks.length === 1 ? only.value : joinInput(inPlanOrder(plan, sinks, ({ nodeId }) => nodeId));
}
