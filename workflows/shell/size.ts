import { INLINE_LIMIT_BYTES, type Value } from '../definition/values.js';
import type { RunState } from '../engine/state.js';

/** All values of a run's state together stay below half a megabyte: they travel whole when it continues as new. */
const PLENTY_BYTES = 128 * 1024;
const MUCH_BYTES = 320 * 1024;

const sizes = new WeakMap<Value, number>();

/** Bytes of a value as it travels, references at their own size. */
export function sizeOf(value: Value): number {
  const known = sizes.get(value);
  if (known !== undefined) return known;
  const size = JSON.stringify(value).length;
  sizes.set(value, size);
  return size;
}

/** How large a value may be to travel inline, given what the state holds already. */
export function inlineLimitFor(state: RunState): number {
  let held = 0;
  for (const value of valuesOf(state)) held += sizeOf(value);
  if (held > MUCH_BYTES) return 512;
  return held > PLENTY_BYTES ? 4 * 1024 : INLINE_LIMIT_BYTES;
}

function* valuesOf(state: RunState): Generator<Value> {
  for (const visit of state.ready) yield visit.input;
  for (const visit of Object.values(state.open)) yield visit.input;
  for (const { arrivals, sinks } of [state, ...Object.values(state.frames)]) {
    for (const arrived of Object.values(arrivals)) for (const { value } of arrived) yield value;
    for (const { value } of sinks) yield value;
  }
  for (const { item } of Object.values(state.frames)) yield item;
  for (const group of Object.values(state.groups)) {
    yield* group.items;
    for (const result of group.results) if (result !== null) yield result;
  }
  yield* Object.values(state.vars);
  yield* Object.values(state.outputs);
  for (const { visit, output } of state.undo) {
    yield visit.input;
    yield output;
  }
}
