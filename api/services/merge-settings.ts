import type { Json } from '../../workflows/definition/values.js';

type Settings = Readonly<Record<string, Json>>;

const isMap = (value: Json | undefined): value is Settings =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** JSON Merge Patch (RFC 7386): objects are merged into each other, null takes away, everything else replaces. */
export function mergeSettings(into: Settings, change: Settings): Settings {
  const merged = new Map<string, Json>(Object.entries(into));
  for (const [key, value] of Object.entries(change)) {
    const before = merged.get(key);
    if (value === null) merged.delete(key);
    else merged.set(key, isMap(value) ? mergeSettings(isMap(before) ? before : {}, value) : value);
  }
  return Object.fromEntries(merged);
}
