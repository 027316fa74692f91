import type { Json } from '../../workflows/definition/values.js';
import { Fault, invalid } from './failure.js';

const step = /\.([A-Za-z_$][\w$-]*)|\[\s*(-?\d+)\s*\]|\[\s*'([^']*)'\s*\]|\[\s*"([^"]*)"\s*\]/y;

/** The steps of a path such as `$.data.items[0]['first name']`; null for what is no such path. */
export function readJsonPath(path: string): readonly (string | number)[] | null {
  const text = path.trim();
  if (!text.startsWith('$')) return null;
  const steps: (string | number)[] = [];
  for (let at = 1; at < text.length; at = step.lastIndex) {
    step.lastIndex = at;
    const [, name, place, single, double] = step.exec(text) ?? [];
    if (place !== undefined) steps.push(Number(place));
    else {
      const key = name ?? single ?? double;
      if (key === undefined) return null;
      steps.push(key);
    }
  }
  return steps;
}

const isList = (json: Json): json is readonly Json[] => Array.isArray(json);

function stepInto(json: Json, by: string | number): Json {
  if (json === null || typeof json !== 'object') return null;
  if (isList(json)) return typeof by === 'number' ? (json.at(by) ?? null) : null;
  return Object.hasOwn(json, by) ? (json[by] ?? null) : null;
}

/** What stands at each path, null where nothing does: the variables that a reply sets. */
export function pick(json: Json, paths: Readonly<Record<string, string>>): Readonly<Record<string, Json>> {
  const found = Object.entries(paths).map(([name, path]) => {
    const steps = readJsonPath(path);
    if (steps === null)
      throw invalid(
        Fault.configInvalid,
        `outputs.${name}: "${path}" is no JSONPath; write one such as $.data.items[0].id.`,
      );
    return [name, steps.reduce<Json>(stepInto, json)] as const;
  });
  return Object.fromEntries(found);
}
