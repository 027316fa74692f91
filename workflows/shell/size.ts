import { INLINE_LIMIT_BYTES, type Value } from '../definition/values.js';
import type { RunState } from '../engine/state.js';

/**
 * All values of a run's state together stay at about this size: they travel whole when it continues as new, and many
 * of them to each activity.
 */
const BUDGET_BYTES = 320 * 1024;
/** A reference is hardly smaller than this. */
const FLOOR_BYTES = 128;

const sizes = new WeakMap<Value, number>();

/** Bytes of a value as it travels, references at their own size. */
export function sizeOf(value: Value): number {
  const known = sizes.get(value);
  if (known !== undefined) return known;
  const size = bytesOf(JSON.stringify(value));
  sizes.set(value, size);
  return size;
}

/** Bytes of a text in UTF-8. */
export function bytesOf(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code > 0x7f) bytes += 1;
    // half of a pair stands for two of its four bytes
    if (code > 0x7ff && (code < 0xd800 || code > 0xdfff)) bytes += 1;
  }
  return bytes;
}

/** How large a value may be to travel inline, given what the state holds already and how many may come at once. */
export function inlineLimitFor(state: RunState, coming: number): number {
  let held = 0;
  for (const value of valuesOf(state)) held += sizeOf(value);
  const share = Math.floor((BUDGET_BYTES - held) / coming);
  return Math.min(INLINE_LIMIT_BYTES, Math.max(FLOOR_BYTES, share));
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
