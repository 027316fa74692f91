import type { GraphType, Site, SiteOf } from './graph-configs.js';
import { kindOfType, schemaFor } from './graph-configs.js';
import type { CompileContext } from './graph-context.js';
import { fieldsOf, readsOfField, readsOfSource } from './fields.js';
import type { NodeConfigs, NodeKind, NodeOf, PlanNode, Reads } from './plan.js';
import { policyFor } from './policies.js';
import { present } from './present.js';
import { mergeReads, readsOfTemplate } from './reads.js';
import type { Json } from './values.js';

/** One node of a graph as a node of the plan. */

type Piece = {
  readonly [K in NodeKind]: {
    readonly kind: K;
    readonly config: NodeConfigs[K];
    readonly exits?: 'all';
    readonly says?: boolean;
  };
}[NodeKind];

/** Where the user is listened to before a node. */
export const listenId = (nodeId: string): string => `${nodeId}.listen`;

type Compile<K extends GraphType> = (site: SiteOf<K>, context: CompileContext) => Piece;

const pass = (): Piece => ({ kind: 'pass', config: {} });
const choose = (): Piece => ({ kind: 'branch', config: {} });

/** Total over types: a type without an entry does not compile. */
const compile: { readonly [K in GraphType]: Compile<K> } = {
  instruction_agent: ({ config }) => ({ kind: 'instruction_agent', config, says: true }),
  'flow-agent': ({ config }, context) => boundAgent(config, context),
  agent: ({ config }, context) =>
    'instructions' in config ? { kind: 'instruction_agent', config, says: true } : boundAgent(config, context),
  knowledge: ({ config }) => ({ kind: 'knowledge', config, ...(config.synthesize ? { says: true } : {}) }),
  router: choose,
  decision: choose,
  tool: ({ config }) => ({ kind: 'tool', config }),
  // its body is put in where the plan is put together
  workflow: () => ({ kind: 'loop', config: { entry: '', max_iterations: 1 } }),
  end: ({ config }) => ({ kind: 'end', config }),
  trigger: pass,
  start: pass,
  set: ({ config }) => ({ kind: 'set', config }),
  branch: choose,
  switch: choose,
  parallel: () => ({ kind: 'pass', config: {}, exits: 'all' }),
  join: ({ config: { need, cancel_rest: cancelRest } }) => ({
    kind: 'join',
    config: { need: need === 'any' ? 1 : need, ...(cancelRest ? { cancelRest } : {}) },
  }),
  map: ({ config }) => ({ kind: 'map', config }),
  loop: ({ config }) => ({ kind: 'loop', config }),
  subflow: ({ config }) => ({ kind: 'subflow', config }),
  respond: ({ config }) => ({ kind: 'respond', config }),
  compensate: ({ config }) => ({ kind: 'compensate', config }),
  cancel: ({ config }) => ({ kind: 'cancel', config }),
  delay: ({ config }) => ({ kind: 'delay', config }),
  until: ({ config }) => ({ kind: 'until', config }),
  approval: ({ config }) => ({ kind: 'approval', config }),
  wait_event: ({ config }) => ({ kind: 'wait_event', config }),
  listen: ({ config }) => ({ kind: 'listen', config }),
  http: ({ config }) => ({ kind: 'http', config }),
  llm: ({ config }) => ({ kind: 'llm', config }),
  code: ({ config }) => ({ kind: 'code', config }),
  channel_send: ({ config }) => ({ kind: 'channel_send', config }),
  email: ({ config }) => ({ kind: 'email', config }),
  webhook: ({ config }) => ({ kind: 'webhook', config }),
};

/** An agent of its own runs in a run of its own, on the version that is published now. */
function boundAgent(config: SiteOf<'flow-agent'>['config'], { definitions }: CompileContext): Piece {
  const definition = config.agent_id ?? config.definition_id ?? '';
  const version = config.version_id ?? definitions.get(definition)?.versionId ?? 'latest';
  const { input } = config;
  return { kind: 'subflow', config: { definition, version, wait: true, ...present({ input }) }, says: true };
}

/** `hasErrorEdge`: a way for errors is there, so errors take it unless the author says otherwise. */
export function planNode(
  site: Site,
  { context, hasErrorEdge }: { readonly context: CompileContext; readonly hasErrorEdge: boolean },
): PlanNode {
  const { node, type } = site;
  // -- reason: the record holds for each type the function of that type; the compiler cannot relate the two
  const piece = (compile[type] as Compile<GraphType>)(site, context);
  const onError = node.on_error ?? (hasErrorEdge ? ('route' as const) : undefined);
  const { undo, mutex, within, save_as: saveAs } = node;
  return {
    id: node.id,
    label: node.label?.trim() || titleOf(node.id),
    dialectKind: node.type,
    policy: policyFor(piece.kind, { retry: node.retry, timeout: node.timeout, on_error: onError }),
    ...piece,
    ...present({ undo, mutex, within, saveAs }),
    ...readsPart(readsOfSite(site)),
  };
}

const titleOf = (id: string): string => id.replaceAll(/[_-]+/g, ' ');

export const readsPart = (reads: Reads): { readonly reads?: Reads } =>
  Object.keys(reads).length === 0 ? {} : { reads };

/** The wait for the user's message in front of a node, with a greeting for whoever has said nothing yet. */
export function listenNode({ node }: Site, greeting: string | undefined): NodeOf<'listen'> {
  return {
    id: listenId(node.id),
    kind: 'listen',
    label: `${node.label?.trim() || titleOf(node.id)}: the user's message`,
    dialectKind: 'listen',
    policy: policyFor('listen', {}),
    config: present({ greeting }),
    ...present({ within: node.within }),
    ...readsPart(greeting === undefined ? {} : readsOfTemplate(greeting)),
  };
}

/** What the node's configuration reads, and what its kind reads beside it. */
export function readsOfSite({ type, config }: Site): Reads {
  // -- reason: configurations are JSON that zod has read
  const fields = fieldsOf(schemaFor(type, config), config as Json).map(readsOfField);
  return mergeReads(...fields, readsOfKind(kindOfType[type], config));
}

export function readsOfKind(kind: NodeKind, config: object): Reads {
  if (kind === 'instruction_agent') return { vars: true, message: true };
  if (kind === 'knowledge') return { message: true };
  return kind === 'code' && 'source' in config && typeof config.source === 'string' ? readsOfSource(config.source) : {};
}
