import type { AgentTurnOutput, TurnHandoff } from '../../workflows/definition/agents/agent-turn.js';
import type { Names } from '../../workflows/definition/expressions.js';
import type { Json } from '../../workflows/definition/values.js';
import { Fault, invalid } from '../nodes/failure.js';
import { appended, contextPath, valueIn, withoutValue, withValue } from './paths.js';

export type Outcome = Pick<AgentTurnOutput, 'outcome' | 'target' | 'reason'>;
type Data = Readonly<Record<string, Json>>;
type Passes = TurnHandoff['passes'];

/** What the tools of one turn change; the run gets it when the turn is over. */
export interface Board {
  /** `context` (shared and own), `flags`, `user`, and `vars` as they are now. */
  readonly names: () => Names;
  readonly get: (path: string) => Json;
  readonly set: (path: string, value: Json) => void;
  readonly remove: (path: string) => void;
  readonly flag: (name: string, isSet: boolean) => void;
  /** Words of the agent: said if the model itself says nothing, or as its last in any case. */
  readonly say: (text: string, when: 'if_silent' | 'at_end') => void;
  /** How the turn ends; what was decided first stays. */
  readonly decide: (outcome: Outcome) => void;
  readonly outcome: () => Outcome | null;
  /** What the agent said, after its model's own words. */
  readonly words: (ofModel: string) => string;
  /** Gives keys of the agent's own context to other nodes. */
  readonly pass: (passes: Passes) => void;
  /** The variables that changed. */
  readonly changed: () => Data;
}

export interface BoardSource {
  readonly vars: Json;
  readonly nodeId: string;
  readonly shared: readonly string[];
}

/** Of a model's mistake or a peer's long answer a run shall not die. */
const MOST_CHARACTERS = 256 * 1024;

export const dataOf = (json: Json | undefined): Data =>
  // -- reason: `isArray` does not tell a readonly list from an object
  json !== undefined && json !== null && typeof json === 'object' && !Array.isArray(json) ? (json as Data) : {};

export function createBoard(source: BoardSource): Board {
  const vars = dataOf(source.vars);
  const { changed, ...scopes } = createScopes(source);
  const flagsBefore = dataOf(vars['flags']);
  let flags = flagsBefore;
  const allChanged = (): Data => ({ ...changed(), ...(flags === flagsBefore ? {} : { flags }) });
  return {
    ...scopes,
    ...createEnding(),
    flag: (name, isSet) => {
      flags = { ...flags, [name]: isSet };
    },
    names: () => ({
      ...{ context: scopes.merged(), flags, user: dataOf(vars['user']) },
      vars: { ...vars, ...allChanged() },
    }),
    changed: allChanged,
  };
}

/** The context: what all agents share, and what only this one knows, which stands before it. */
function createScopes({ vars, nodeId, shared: sharedKeys }: BoardSource) {
  const before = { shared: valueIn(vars, ['context']), agents: valueIn(vars, ['agent_context']) };
  let { shared, agents } = before;
  const own = (): Json => valueIn(agents, [nodeId]);
  const give = (node: string, value: Json): void => {
    agents = { ...dataOf(agents), [node]: value };
  };
  const merged = (): Data => ({ ...dataOf(shared), ...dataOf(own()) });
  const put = (keys: readonly string[], value: Json): void => {
    const [root = '', ...rest] = keys;
    const isShared = sharedKeys.includes(root);
    // what is only read from the shared context becomes the agent's own as it changes
    const there = isShared ? valueIn(shared, [root]) : valueIn(merged(), [root]);
    const next = fitting({ ...dataOf(isShared ? shared : own()), [root]: withValue(there, rest, value) });
    if (isShared) shared = next;
    else give(nodeId, next);
  };
  return {
    merged,
    get: (path: string): Json => valueIn(merged(), contextPath(path).keys),
    set: (path: string, value: Json): void => {
      const { keys, appends } = contextPath(path);
      const scope = sharedKeys.includes(keys[0] ?? '') ? shared : merged();
      put(keys, appends ? appended(valueIn(scope, keys), value) : value);
    },
    remove: (path: string): void => {
      const { keys } = contextPath(path);
      const [root = ''] = keys;
      if (Object.hasOwn(dataOf(own()), root)) give(nodeId, withoutValue(own(), keys));
      if (Object.hasOwn(dataOf(shared), root)) shared = withoutValue(shared, keys);
    },
    pass: (passes: Passes): void => {
      const given = dataOf(own());
      for (const { node, keys } of passes) {
        const taken = keys.flatMap((key) => (Object.hasOwn(given, key) ? [[key, given[key] ?? null] as const] : []));
        if (taken.length > 0) give(node, { ...dataOf(valueIn(agents, [node])), ...Object.fromEntries(taken) });
      }
    },
    changed: (): Data => ({
      ...(shared === before.shared ? {} : { context: shared }),
      ...(agents === before.agents ? {} : { agent_context: agents }),
    }),
  };
}

/** What is said and how the turn ends. */
function createEnding(): Pick<Board, 'say' | 'decide' | 'outcome' | 'words'> {
  const silent: string[] = [];
  const last: string[] = [];
  let outcome: Outcome | null = null;
  return {
    say: (text, when) => void (when === 'at_end' ? last : silent).push(text),
    decide: (decided) => {
      outcome ??= decided;
    },
    outcome: () => outcome,
    words: (ofModel) => {
      const spoken = ofModel.trim() === '' ? silent.join('\n') : ofModel;
      return [spoken, ...last].filter((part) => part.trim() !== '').join('\n');
    },
  };
}

function fitting(context: Data): Data {
  if (JSON.stringify(context).length <= MOST_CHARACTERS) return context;
  throw invalid(
    Fault.configInvalid,
    `context: it would hold more than ${MOST_CHARACTERS} characters; keep less in it.`,
  );
}
