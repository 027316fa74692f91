import { defaultPolicy, type NodeKind, type Plan, type PlanEdge, type PlanNode } from './plan.js';
import type { Json } from './values.js';

const stubbed: readonly NodeKind[] = [
  'http',
  'tool',
  'email',
  'channel_send',
  'webhook',
  'notify',
  'llm',
  'assistant',
  'agent',
  'instruction_agent',
  'agent_turn',
  'subflow',
];

/** Kinds that cost money or act on the outside world: a test run only shows what they would do, unless they are live. */
export const isStubbedKind = (kind: NodeKind): boolean => stubbed.includes(kind);

/** What a node under test is given, as if a run had come to it. */
export interface TestSetting {
  readonly input: Json;
  readonly vars: Readonly<Record<string, Json>>;
  /** Results of other nodes, by id. */
  readonly steps: Readonly<Record<string, Json>>;
}

export interface NodeTest {
  readonly plan: Plan;
  /** Results of the nodes that only prepare, by id. */
  readonly pins: Readonly<Record<string, Json>>;
}

/**
 * A plan of one node, with its body where it is a map or loop. Nodes in front of it, whose results are pinned, set the
 * variables and hand it its input.
 */
export function testPlan(plan: Plan, nodeId: string, setting: TestSetting): NodeTest | null {
  const node = plan.nodes[nodeId];
  if (node === undefined) return null;
  const body = bodyOf(plan, nodeId);
  const own = new Set([nodeId, ...body.map(({ id }) => id)]);
  const { within: _within, undo: _undo, mutex: _mutex, ...alone } = node;
  const seeds = seedsOf(setting, own);
  const order = [...seeds.map((seed) => seed.node.id), nodeId];
  const nodes = [...seeds.map((seed) => seed.node), alone as PlanNode, ...body]; // -- reason: only optional keys were taken
  return {
    plan: {
      entry: order[0] ?? nodeId,
      nodes: Object.fromEntries(nodes.map((each) => [each.id, each])),
      edges: [
        ...order.slice(1).map((to, index) => always(order[index] ?? nodeId, to)),
        ...plan.edges.filter(({ from, to }) => from !== nodeId && own.has(from) && own.has(to)),
      ],
    },
    pins: Object.fromEntries(seeds.map((seed) => [seed.node.id, seed.value])),
  };
}

/** Everything inside a map or loop, however deep. */
function bodyOf(plan: Plan, ownerId: string): readonly PlanNode[] {
  const inside = Object.values(plan.nodes).filter(({ within }) => within === ownerId);
  return inside.flatMap((node) => [node, ...bodyOf(plan, node.id)]);
}

interface Seed {
  readonly node: PlanNode;
  readonly value: Json;
}

function seedsOf({ input, vars, steps }: TestSetting, own: ReadonlySet<string>): readonly Seed[] {
  const ofVars = Object.entries(vars).map(([name, value]) => seed(`test.vars.${name}`, value, name));
  const ofSteps = Object.entries(steps).flatMap(([id, value]) => (own.has(id) ? [] : [seed(id, value)]));
  return [...ofVars, ...ofSteps, seed('test.input', input)];
}

const seed = (id: string, value: Json, saveAs?: string): Seed => ({
  node: {
    id,
    kind: 'pass',
    label: id,
    dialectKind: 'test',
    policy: defaultPolicy,
    config: {},
    ...(saveAs === undefined ? {} : { saveAs }),
  },
  value,
});

const always = (from: string, to: string): PlanEdge => ({
  from,
  to,
  port: 'out',
  condition: { type: 'always' },
  label: null,
});
