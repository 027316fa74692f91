import { templateProblem } from '../expressions.js';
import type { Path } from '../problems.js';
import { secretProblem, strayProblem } from '../secret-problem.js';
import type { Json } from '../values.js';
import type { ActionToolConfig, ToolAction, ToolParameter } from './action-tool.js';
import {
  conditionProblem,
  doubles,
  mappingProblems,
  problem,
  spokenProblems,
  type ConfigProblem,
} from './config-problems.js';

export interface ToolSurroundings {
  /** Why an address may not be called, or null; parts of it may be templates. */
  readonly urlProblem: (url: string) => string | null;
  /** Names of the organisation's endpoints. */
  readonly endpoints: ReadonlySet<string>;
}

/** Conditions in conditions at most. */
export const DEEPEST_CONDITION = 5;

const lists = ['actions', 'on_success', 'on_failure'] as const;

/** Paths lead into the configuration. */
export function toolProblems(config: ActionToolConfig, around: ToolSurroundings): readonly ConfigProblem[] {
  return [
    ...parameterProblems(config.parameters),
    ...lists.flatMap((list) => listProblems(config[list], { path: [list], depth: 0, around })),
  ];
}

function parameterProblems(parameters: readonly ToolParameter[]): readonly ConfigProblem[] {
  return [
    ...parameters.flatMap((parameter, index) => valueProblems(parameter, ['parameters', index])),
    ...doubles(parameters, ({ name }) => name).flatMap(([index, name]) =>
      problem(['parameters', index, 'name'], `names "${name}" again; a parameter stands here once`),
    ),
  ];
}

function valueProblems({ type, enum: values, default: preset }: ToolParameter, path: Path): readonly ConfigProblem[] {
  const misfit = `must be ${words[type]}, as the type says`;
  const isListed = values === undefined || values.some((value) => isSame(value, preset ?? null));
  return [
    ...(values ?? []).flatMap((value, at) => problem([...path, 'enum', at], fits[type](value) ? null : misfit)),
    ...(preset === undefined
      ? []
      : problem([...path, 'default'], fits[type](preset) ? (isListed ? null : 'must be one of the enum') : misfit)),
  ];
}

const isSame = (one: Json, other: Json): boolean => JSON.stringify(one) === JSON.stringify(other);

const words: Readonly<Record<ToolParameter['type'], string>> = {
  string: 'a string',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

const fits: Readonly<Record<ToolParameter['type'], (value: Json) => boolean>> = {
  string: (value) => typeof value === 'string',
  integer: (value) => Number.isInteger(value),
  number: (value) => typeof value === 'number',
  boolean: (value) => typeof value === 'boolean',
  array: (value) => Array.isArray(value),
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
};

interface Site {
  readonly path: Path;
  readonly depth: number;
  readonly around: ToolSurroundings;
}

const listProblems = (actions: readonly ToolAction[], site: Site): readonly ConfigProblem[] =>
  actions.flatMap((action, index) => actionProblems(action, { ...site, path: [...site.path, index] }));

type ActionType = ToolAction['type'];
/** The members of the union that have this type; some have several. */
type ActionOf<T extends ActionType> = ToolAction extends infer A
  ? A extends { readonly type: infer Own }
    ? T extends Own
      ? A
      : never
    : never
  : never;
type Rule<T extends ActionType> = (action: ActionOf<T>, site: Site) => readonly ConfigProblem[];

const nothing = (): readonly ConfigProblem[] => [];

const rules: { readonly [T in ActionType]: Rule<T> } = {
  'context.set': ({ key, path: at, value, data }, { path }) => [
    ...oneOf(path, { key, path: at }),
    ...oneOf(path, { value, data }),
    ...mappingProblems([...path, 'value'], value),
    ...mappingProblems([...path, 'data'], data),
    ...spokenMapping([...path, 'value'], value),
    ...spokenMapping([...path, 'data'], data),
  ],
  'context.get': nothing,
  'context.delete': nothing,
  'flag.set': nothing,
  'flag.clear': nothing,
  respond: ({ message, message_key: key }, { path }) => [
    ...oneOf(path, { message, message_key: key }),
    ...spokenProblems([...path, 'message'], message),
  ],
  handoff: nothing,
  webhook: (action, site) => callProblems(action, site),
  api_call: (action, site) => callProblems(action, site),
  wait: nothing,
  end_call: ({ message }, { path }) => spokenProblems([...path, 'message'], message),
  condition: (action, site) => branchProblems(action, site),
  log: ({ message }, { path }) => spokenProblems([...path, 'message'], message),
};

const actionProblems = (action: ToolAction, site: Site): readonly ConfigProblem[] =>
  // -- reason: a record cannot say that the rule of a type takes the action of that type
  (rules[action.type] as (given: ToolAction, at: Site) => readonly ConfigProblem[])(action, site);

/** Of two names for one thing exactly one; the first is the newer. */
function oneOf(path: Path, given: Readonly<Record<string, Json | undefined>>): readonly ConfigProblem[] {
  const [first = '', second = ''] = Object.keys(given);
  const [one, other] = Object.values(given);
  if (one === undefined && other === undefined)
    return problem([...path, first], `is required: give ${first} or ${second}`);
  return one === undefined || other === undefined
    ? []
    : problem([...path, second], `says the same as ${first}: give one of the two`);
}

const spokenMapping = (path: Path, mapping: Json | undefined): readonly ConfigProblem[] =>
  mapping === undefined ? [] : problem(path, strayProblem(JSON.stringify(mapping)));

function callProblems(action: ActionOf<'webhook'>, { path, around }: Site): readonly ConfigProblem[] {
  const { url, endpoint, body, payload, headers = {} } = action;
  const isBoth = body !== undefined && payload !== undefined;
  const mapped = { body, payload };
  return [
    ...oneOf(path, { url, endpoint }),
    ...urlProblems([...path, 'url'], url, around),
    ...endpointProblems([...path, 'endpoint'], endpoint, around),
    ...problem([...path, 'payload'], isBoth ? 'says the same as body: give one of the two' : null),
    ...Object.entries(mapped).flatMap(([key, mapping]) => [
      ...mappingProblems([...path, key], mapping),
      ...(mapping === undefined ? [] : problem([...path, key], secretProblem(JSON.stringify(mapping)))),
    ]),
    ...Object.entries(headers).flatMap(([name, text]) => headerProblems([...path, 'headers', name], name, text)),
  ];
}

function urlProblems(path: Path, url: string | undefined, { urlProblem }: ToolSurroundings): readonly ConfigProblem[] {
  if (url === undefined) return [];
  return problem(path, secretProblem(url) ?? templateProblem(url) ?? urlProblem(url));
}

function endpointProblems(
  path: Path,
  endpoint: string | undefined,
  { endpoints }: ToolSurroundings,
): readonly ConfigProblem[] {
  if (endpoint === undefined || endpoints.has(endpoint)) return [];
  const known = endpoints.size === 0 ? 'it has none' : `it has ${[...endpoints].slice(0, 20).join(', ')}`;
  return problem(path, `the organisation has no endpoint "${endpoint}"; ${known}`);
}

function headerProblems(path: Path, name: string, text: string): readonly ConfigProblem[] {
  const isName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}$/.test(name);
  return problem(path, isName ? (secretProblem(text) ?? templateProblem(text)) : 'is no name of a header');
}

function branchProblems(action: ActionOf<'condition'>, { path, depth, around }: Site): readonly ConfigProblem[] {
  if (depth >= DEEPEST_CONDITION)
    return problem(
      path,
      `conditions stand at most ${DEEPEST_CONDITION} deep in each other; move this into a tool of its own`,
    );
  const inner = (list: 'then' | 'else'): Site => ({ path: [...path, list], depth: depth + 1, around });
  return [
    ...problem([...path, 'if'], conditionProblem(action.if)),
    ...listProblems(action.then, inner('then')),
    ...listProblems(action.else, inner('else')),
  ];
}
