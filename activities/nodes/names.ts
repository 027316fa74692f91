import type { Database } from '../../db/client.js';
import { loadValue } from '../../db/values.js';
import type { Scope } from '../../workflows/contract/activities.js';
import { namesOf, type Names } from '../../workflows/definition/expressions.js';
import type { Json, Value } from '../../workflows/definition/values.js';

/** What expressions and templates read, except what came to the node. */
export type ScopeNames = Omit<Parameters<typeof namesOf>[0], 'input'>;

/** A scope as it travels, its values fetched. */
export async function loadScope(db: Database, workspaceId: string, scope: Scope): Promise<ScopeNames> {
  const load = (value: Value | null): Promise<Json> =>
    value === null ? Promise.resolve(null) : loadValue(db, workspaceId, value);
  const loadAll = async (values: Readonly<Record<string, Value>>): Promise<Record<string, Json>> => {
    const entries = Object.entries(values).map(async ([name, value]) => [name, await load(value)] as const);
    return Object.fromEntries(await Promise.all(entries));
  };
  const [input, vars, steps, item] = await Promise.all([
    load(scope.run.input),
    loadAll(scope.vars),
    loadAll(scope.steps),
    load(scope.item),
  ]);
  return { run: { id: scope.run.id, input }, vars, steps, item, index: scope.index, message: scope.message };
}

export const withInput = (scope: ScopeNames, input: Json): Names => namesOf({ ...scope, input });

/** Nodes that came from another workflow name the others there without what stands in front of them here. */
export function seenFrom(scope: ScopeNames, prefix: string | undefined): ScopeNames {
  if (prefix === undefined || prefix === '') return scope;
  const within = Object.entries(scope.steps)
    .filter(([id]) => id.startsWith(prefix))
    .map(([id, output]) => [id.slice(prefix.length), output] as const);
  return { ...scope, steps: { ...scope.steps, ...Object.fromEntries(within) } };
}
