import { isDeepStrictEqual } from 'node:util';
import type { Json } from '../../workflows/definition/values.js';

/** What differs between two documents: nodes, edges and settings of a graph; for a chain its steps take the nodes' place. */
export interface Diff {
  readonly nodes: ItemDiff;
  readonly edges: ItemDiff;
  readonly settings: readonly Change[];
}

export interface ItemDiff {
  readonly added: readonly Item[];
  readonly removed: readonly Item[];
  readonly changed: readonly { readonly id: string; readonly changes: readonly Change[] }[];
}

/** JSON pointer within the item, or within the document for a setting. What one side does not have is null there. */
export interface Change {
  readonly pointer: string;
  readonly from: Json;
  readonly to: Json;
}

export type Item = { readonly id: string } & Readonly<Record<string, Json>>;

type JsonObject = Readonly<Record<string, Json>>;

export function diffDocuments(kind: string, from: Json, to: Json): Diff {
  const split = kind === 'chain' ? splitChain : splitGraph;
  const [before, after] = alignSteps(kind, split(objectOf(from)), split(objectOf(to)));
  return {
    nodes: diffItems(before.nodes, after.nodes),
    edges: diffItems(before.edges, after.edges),
    settings: changesBetween(before.settings, after.settings),
  };
}

interface Parts {
  readonly nodes: readonly Item[];
  readonly edges: readonly Item[];
  readonly settings: JsonObject;
}

function splitGraph({ nodes = [], edges = [], ...settings }: JsonObject): Parts {
  return {
    nodes: listOf(nodes).map((node, index) => ({ ...node, id: textOf(node['id'], `/nodes/${index}`) })),
    edges: withIds(listOf(edges)),
    settings,
  };
}

/** An edge without an id is known by its ends and label; a second one alike by its number. */
function withIds(edges: readonly JsonObject[]): readonly Item[] {
  const seen = new Map<string, number>();
  return edges.map((edge) => {
    const { id, source, target, label } = edge;
    const ends = `${textOf(source, '')}->${textOf(target, '')}${typeof label === 'string' ? `:${label}` : ''}`;
    const name = textOf(id, ends);
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return { ...edge, id: count === 1 ? name : `${name}#${count}` };
  });
}

/** Each step under its place, such as `primary_steps/0` or `branches/refund/1`. */
function splitChain({ primary_steps: steps = [], branches = [], ...settings }: JsonObject): Parts {
  const lines = [
    { line: 'primary_steps', steps: listOf(steps) },
    ...listOf(branches).map((branch, index) => ({
      line: `branches/${textOf(branch['name'], String(index)) || String(index)}`,
      steps: listOf(branch['steps'] ?? []),
    })),
  ];
  const names = listOf(branches).map(({ name = null }) => name);
  return {
    nodes: lines.flatMap(({ line, steps: own }) => own.map((step, index) => ({ ...step, id: `${line}/${index}` }))),
    edges: [],
    settings: { ...settings, branches: names },
  };
}

/** Steps have no ids: one that only moved, because another was put in before it, keeps the id it had. */
function alignSteps(kind: string, from: Parts, to: Parts): readonly [Parts, Parts] {
  if (kind !== 'chain') return [from, to];
  const lines = new Set([...from.nodes, ...to.nodes].map(({ id }) => lineOf(id)));
  const nodes = [...lines].flatMap((line) => {
    const inLine = (item: Item): boolean => lineOf(item.id) === line;
    return renamed(from.nodes.filter(inLine), to.nodes.filter(inLine));
  });
  return [from, { ...to, nodes }];
}

const lineOf = (id: string): string => id.slice(0, id.lastIndexOf('/'));

/** A step that was put in has a plus in its id: `primary_steps/+1` is the second of the new document. */
function renamed(before: readonly Item[], after: readonly Item[]): readonly Item[] {
  const pairs = commonSteps(before, after);
  const free = new Set(before.map(({ id }) => id));
  for (const { id } of pairs.values()) free.delete(id);
  return after.map((item) => {
    const same = pairs.get(item);
    if (same !== undefined) return { ...item, id: same.id };
    return free.delete(item.id) ? item : { ...item, id: item.id.replace(/(\d+)$/, '+$1') };
  });
}

/** The longest line of steps of one kind and label that both have, in order. */
function commonSteps(before: readonly Item[], after: readonly Item[]): ReadonlyMap<Item, Item> {
  const lengths = commonLengths(before, after);
  const at = (i: number, j: number): number => lengths[i]?.[j] ?? 0;
  const pairs = new Map<Item, Item>();
  let [i, j] = [0, 0];
  for (let [old, fresh] = [before[i], after[j]]; old && fresh; [old, fresh] = [before[i], after[j]]) {
    const isPair = isSameStep(old, fresh);
    const skipsOld = !isPair && at(i + 1, j) >= at(i, j + 1);
    if (isPair) pairs.set(fresh, old);
    if (isPair || skipsOld) i += 1;
    if (!skipsOld) j += 1;
  }
  return pairs;
}

/** By places in both lists: how many steps the rests from there on have in common. */
function commonLengths(before: readonly Item[], after: readonly Item[]): readonly (readonly number[])[] {
  let below: readonly number[] = [];
  const rows = before.toReversed().map((old) => {
    const row: number[] = [];
    for (const [j, fresh] of [...after.entries()].toReversed()) {
      row[j] = isSameStep(old, fresh) ? (below[j + 1] ?? 0) + 1 : Math.max(below[j] ?? 0, row[j + 1] ?? 0);
    }
    below = row;
    return row;
  });
  return rows.toReversed();
}

const isSameStep = (a: Item, b: Item): boolean => a['kind'] === b['kind'] && a['label'] === b['label'];

function diffItems(before: readonly Item[], after: readonly Item[]): ItemDiff {
  const old = new Map(before.map((item) => [item.id, item]));
  const ids = new Set(after.map(({ id }) => id));
  return {
    added: after.filter(({ id }) => !old.has(id)),
    removed: before.filter(({ id }) => !ids.has(id)),
    changed: after.flatMap((item) => {
      const previous = old.get(item.id);
      const changes = previous === undefined ? [] : changesBetween(previous, item);
      return changes.length === 0 ? [] : [{ id: item.id, changes }];
    }),
  };
}

/** Where two values differ, as deep as both are objects; a list is compared as a whole. */
function changesBetween(from: Json, to: Json, pointer = ''): readonly Change[] {
  if (isDeepStrictEqual(from, to)) return [];
  if (!isObject(from) || !isObject(to)) return [{ pointer, from, to }];
  const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])];
  return keys.flatMap((key) => changesBetween(from[key] ?? null, to[key] ?? null, `${pointer}/${escapePointer(key)}`));
}

/** A key as a JSON pointer spells it. */
const escapePointer = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

const isObject = (json: Json): json is JsonObject => typeof json === 'object' && json !== null && !Array.isArray(json);

const objectOf = (json: Json): JsonObject => (isObject(json) ? json : {});

const listOf = (json: Json): readonly JsonObject[] => (Array.isArray(json) ? json.map(objectOf) : []);

const textOf = (json: Json | undefined, otherwise: string): string => (typeof json === 'string' ? json : otherwise);
