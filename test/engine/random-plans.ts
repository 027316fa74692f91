import fc from 'fast-check';
import {
  defaultPolicy,
  type OnError,
  type Plan,
  type PlanEdge,
  type PlanNode,
} from '../../workflows/definition/plan.js';
import { wayOut } from './scripted.js';

/** One node of a random graph; numbers are taken modulo what is there. */
interface Spec {
  readonly kind: 'work' | 'approval' | 'end' | 'cancel';
  /** What it is when more than one way leads to it. */
  readonly merge: 'plain' | 'all' | number;
  readonly cancelRest: boolean;
  readonly exits: 'first' | 'all';
  readonly isConditional: boolean;
  readonly targets: readonly number[];
  /** Edges to itself or an earlier node. */
  readonly back: readonly number[];
  readonly onError: 'never' | 'fail' | 'route' | 'fallback' | 'park';
  readonly mutex: boolean;
  readonly body: Body | null;
}

interface Body {
  readonly kind: 'map' | 'loop';
  readonly concurrency: number;
  readonly goesOnAfterErrors: boolean;
  readonly nodes: readonly Spec[];
}

export interface Shape {
  /** Outcomes do not depend on who is first: see `confluentPlans`. */
  readonly isConfluent: boolean;
  readonly hasCycles: boolean;
}

const specs = (shape: Shape, depth: number): fc.Arbitrary<readonly Spec[]> =>
  fc.array(spec(shape, depth), { minLength: depth === 0 ? 3 : 1, maxLength: depth === 0 ? 9 : 4, size: 'max' });

function spec(shape: Shape, depth: number): fc.Arbitrary<Spec> {
  const { isConfluent, hasCycles } = shape;
  const bodies = fc.record<Body>({
    kind: fc.constantFrom('map', 'loop'),
    concurrency: fc.integer({ min: 1, max: 3 }),
    goesOnAfterErrors: fc.boolean(),
    nodes: depth > 1 ? fc.constant([]) : specs(shape, depth + 1),
  });
  const none: fc.Arbitrary<Body | null> = fc.constant(null);
  const body = depth > 1 ? none : fc.oneof({ weight: 5, arbitrary: none }, { weight: 1, arbitrary: bodies });
  return fc.record<Spec>({
    kind: isConfluent ? fc.constant('work' as const) : fc.constantFrom(...kinds),
    merge: isConfluent
      ? fc.constant('all' as const)
      : fc.constantFrom<Spec['merge'][]>('plain', 'all', 'all', 1, 1, 2, 3),
    cancelRest: isConfluent ? fc.constant(false) : fc.boolean(),
    exits: fc.constantFrom('first', 'all', 'all'),
    isConditional: fc.constantFrom(false, false, true),
    targets: fc.array(fc.nat(20), { minLength: 1, maxLength: 3, size: 'max' }),
    back: hasCycles ? fc.array(fc.nat(20), { maxLength: 1 }) : fc.constant<number[]>([]),
    onError: isConfluent ? fc.constantFrom(...calm) : fc.constantFrom(...calm, ...calm, 'fail'),
    mutex: fc.boolean(),
    body,
  });
}

/** Mostly work: refusals, ends and cancels make runs short. */
const kinds = [...Array.from({ length: 9 }, () => 'work' as const), 'approval', 'end', 'cancel'] as const;
const calm = ['never', 'never', 'never', 'never', 'route', 'fallback', 'park'] as const;

/**
 * Random graphs of all shapes: splits and branches, joins of every need, maps and loops within each other, errors and
 * refusals; with cycles bounded by what `scripted` answers.
 */
export const randomPlans = (shape: Shape): fc.Arbitrary<Plan> => specs(shape, 0).map((nodes) => planOf(nodes, shape));

/**
 * Plans whose outcome is the same in whatever order things finish: no node is ever come to by two tokens at once
 * (where ways meet, a join waits for all that are taken), no join goes on with fewer than all that come, nothing fails
 * or refuses for good or ends the run while others are under way, and no data passes between branches but through joins.
 */
export const confluentPlans = (): fc.Arbitrary<Plan> => randomPlans({ isConfluent: true, hasCycles: false });

interface Built {
  readonly nodes: PlanNode[];
  readonly edges: PlanEdge[];
}

function planOf(specs: readonly Spec[], shape: Shape): Plan {
  const built: Built = { nodes: [], edges: [] };
  buildGraph(specs, { prefix: 'n', built, shape });
  return { entry: 'n0', nodes: Object.fromEntries(built.nodes.map((node) => [node.id, node])), edges: built.edges };
}

interface Within {
  readonly prefix: string;
  readonly built: Built;
  readonly shape: Shape;
  readonly owner?: string;
}

function buildGraph(specs: readonly Spec[], within: Within): void {
  const { prefix, built, shape } = within;
  const edges = specs.flatMap((each, index) => edgesOf(each, index, { prefix, count: specs.length }));
  built.edges.push(...edges);
  specs.forEach((each, index) => {
    const id = `${prefix}${index}`;
    const ways = edges.filter(({ to }) => to === id).length;
    const mustJoin = shape.isConfluent && ways > 1;
    const isJoin =
      mustJoin || (!shape.isConfluent && ways > 0 && index > 0 && each.merge !== 'plain' && each.body === null);
    const isStuck = each.onError === 'route' && !edges.some(({ from, port }) => from === id && port === 'error');
    const base = baseOf(isStuck ? { ...each, onError: 'never' } : each, id, within.owner);
    built.nodes.push(isJoin ? joinOf(each, base) : workOf(each, base, specs.length));
    if (!isJoin && each.body !== null) buildGraph(each.body.nodes, { prefix: `${id}.`, built, shape, owner: id });
  });
}

/** An edge with a condition is taken when the output of its source names it: see `scripted`. */
function edgesOf(spec: Spec, index: number, { prefix, count }: { prefix: string; count: number }): PlanEdge[] {
  const later = count - 1 - index;
  const edge = (to: number, number: number, port: PlanEdge['port'], isConditional: boolean): PlanEdge => ({
    id: `${prefix}${index}-${number}`,
    from: `${prefix}${index}`,
    to: `${prefix}${to}`,
    port,
    condition: isConditional ? { type: 'contains', text: wayOut(`${prefix}${index}`, number) } : { type: 'always' },
    label: null,
  });
  const back = spec.back.map((pick, number) => edge(pick % (index + 1), number, 'out', true));
  const on = later === 0 ? [] : spec.targets.map((pick) => index + 1 + (pick % later));
  const ports = spec.kind === 'approval' && spec.body === null ? (['approved', 'rejected', 'approved'] as const) : [];
  const forward = on.map((to, number) =>
    edge(to, number + 1, ports[number] ?? 'out', spec.isConditional && spec.body === null),
  );
  const routed = spec.onError === 'route' && on[0] !== undefined ? [edge(on[0], 9, 'error', false)] : [];
  return [...back, ...forward, ...routed];
}

function baseOf(spec: Spec, id: string, owner: string | undefined) {
  const actions: Readonly<Record<Spec['onError'], OnError>> = {
    never: { action: 'fail' },
    fail: { action: 'fail' },
    route: { action: 'route' },
    fallback: { action: 'fallback', value: `${id} instead ${wayOut(id, 1)}` },
    park: { action: 'park' },
  };
  return {
    id,
    label: spec.onError === 'never' ? 'calm' : 'flaky',
    dialectKind: 'test',
    policy: { ...defaultPolicy, onError: actions[spec.onError] },
    exits: spec.exits,
    ...(owner === undefined ? {} : { within: owner }),
    ...(spec.mutex ? { mutex: 'one' } : {}),
  };
}

const joinOf = ({ merge, cancelRest }: Spec, base: ReturnType<typeof baseOf>): PlanNode => ({
  ...base,
  label: 'calm',
  kind: 'join',
  config: { need: merge === 'plain' ? 'all' : merge, ...(cancelRest ? { cancelRest } : {}) },
});

function workOf(spec: Spec, base: ReturnType<typeof baseOf>, count: number): PlanNode {
  const { body } = spec;
  if (body?.kind === 'map') {
    const on_item_error = body.goesOnAfterErrors ? 'continue' : 'fail';
    const config = { items: 'input', entry: `${base.id}.0`, concurrency: body.concurrency, on_item_error } as const;
    return { ...base, kind: 'map', config };
  }
  if (body?.kind === 'loop') return { ...base, kind: 'loop', config: { entry: `${base.id}.0`, max_iterations: 3 } };
  if (spec.kind === 'approval') return { ...base, kind: 'approval', config: approvalConfig };
  if (spec.kind === 'end') return { ...base, kind: 'end', config: { terminate: spec.cancelRest } };
  if (spec.kind === 'cancel') {
    const prefix = base.id.replace(/\d+$/, '');
    const nodes = spec.targets.map((pick) => `${prefix}${pick % count}`);
    return { ...base, kind: 'cancel', config: { nodes } };
  }
  return { ...base, kind: 'agent', config: { agent: base.id } };
}

const approvalConfig = {
  prompt: 'May it?',
  quorum: 1,
  rejections: 1,
  forbid_own: false,
  reminders: [],
  escalation: [],
  on_expire: 'expire',
} as const;
