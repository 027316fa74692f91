import type { TurnHandoff } from '../../workflows/definition/agents/agent-turn.js';
import type { Json } from '../../workflows/definition/values.js';
import { Fault, invalid } from '../nodes/failure.js';
import { appended, dataOf, valueIn, withoutValue, withValue, type ContextPath } from './paths.js';

/** What agents know: `shared` by all, and by node id what only one does. */
export interface Contexts {
  readonly shared: Json;
  readonly agents: Json;
}

/** Whose turn it is. */
export interface Place {
  readonly nodeId: string;
  /** The keys that all agents share. */
  readonly shared: readonly string[];
}

type Data = Readonly<Record<string, Json>>;

/** A model's mistake or a peer's long answer shall not make a run unwieldy. */
const MOST_CHARACTERS = 256 * 1024;

export const contextsOf = (vars: Json): Contexts => ({
  shared: valueIn(vars, ['context']),
  agents: valueIn(vars, ['agent_context']),
});

const ownOf = ({ agents }: Contexts, nodeId: string): Data => dataOf(valueIn(agents, [nodeId]));

const withOwn = (contexts: Contexts, nodeId: string, own: Json): Contexts => ({
  ...contexts,
  agents: { ...dataOf(contexts.agents), [nodeId]: own },
});

/** As templates see it: an agent's own stands before what is shared. */
export const mergedContext = (contexts: Contexts, nodeId: string): Data => ({
  ...dataOf(contexts.shared),
  ...ownOf(contexts, nodeId),
});

/** What is only read from the shared context becomes the agent's own as it changes. */
export function withSet(
  contexts: Contexts,
  { nodeId, shared }: Place,
  { path, value }: { readonly path: ContextPath; readonly value: Json },
): Contexts {
  const [root = '', ...rest] = path.keys;
  const isShared = shared.includes(root);
  const seen = isShared ? dataOf(contexts.shared) : mergedContext(contexts, nodeId);
  const put = path.appends ? appended(valueIn(seen, path.keys), value) : value;
  const changed = { [root]: withValue(valueIn(seen, [root]), rest, put) };
  if (isShared) return { ...contexts, shared: fitting({ ...seen, ...changed }) };
  return withOwn(contexts, nodeId, fitting({ ...ownOf(contexts, nodeId), ...changed }));
}

export function withRemoved(contexts: Contexts, { nodeId }: Place, keys: readonly string[]): Contexts {
  const [root = ''] = keys;
  const { shared } = contexts;
  const left = Object.hasOwn(dataOf(shared), root) ? { ...contexts, shared: withoutValue(shared, keys) } : contexts;
  const own = ownOf(contexts, nodeId);
  return Object.hasOwn(own, root) ? withOwn(left, nodeId, withoutValue(own, keys)) : left;
}

/** Gives keys of the agent's own to another node. */
export function withPassed(
  contexts: Contexts,
  { nodeId }: Place,
  { node, keys }: TurnHandoff['passes'][number],
): Contexts {
  const own = ownOf(contexts, nodeId);
  const taken = keys.flatMap((key) => (Object.hasOwn(own, key) ? [[key, own[key] ?? null] as const] : []));
  if (taken.length === 0) return contexts;
  return withOwn(contexts, node, { ...ownOf(contexts, node), ...Object.fromEntries(taken) });
}

function fitting(context: Data): Data {
  if (JSON.stringify(context).length <= MOST_CHARACTERS) return context;
  throw invalid(
    Fault.configInvalid,
    `context: it would hold more than ${MOST_CHARACTERS} characters; keep less in it.`,
  );
}
