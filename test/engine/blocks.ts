import fc from 'fast-check';
import { defaultPolicy, type Plan, type PlanEdge, type PlanNode } from '../../workflows/definition/plan.js';

/**
 * A piece of a plan with one way in and one way out. `either` follows one way, `both` all, `some` those whose condition
 * holds; `again` is a cycle of edges, gone through while the test at its end says so.
 */
interface Block {
  readonly type: 'work' | 'line' | 'either' | 'both' | 'some' | 'again';
  readonly blocks: readonly Block[];
}

const { block } = fc.letrec<{ block: Block }>((tie) => ({
  block: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constant<Block>({ type: 'work', blocks: [] }),
    fc.record<Block>({
      type: fc.constantFrom('line', 'either', 'both', 'some', 'again'),
      blocks: fc.array(tie('block'), { minLength: 2, maxLength: 3 }),
    }),
  ),
}));

/**
 * Plans of nested blocks: branches whose ways meet again in a plain node, splits whose ways meet in a join, and cycles.
 * They are confluent as well: no two tokens are ever in the same block.
 */
export const blockPlans = (): fc.Arbitrary<Plan> =>
  block.map((root) => {
    const built: Built = { nodes: [], edges: [] };
    addNode(built, 'first', 'work');
    const ends = addBlock(built, root);
    connect(built, 'first', ends.first);
    return {
      entry: 'first',
      nodes: Object.fromEntries(built.nodes.map((each) => [each.id, each])),
      edges: built.edges,
    };
  });

interface Built {
  readonly nodes: PlanNode[];
  readonly edges: PlanEdge[];
}

interface Ends {
  readonly first: string;
  readonly last: string;
}

function addBlock(built: Built, added: Block): Ends {
  if (added.type === 'work') return alone(addNode(built, 'work', 'work'));
  if (added.type === 'line') return addLine(built, added.blocks);
  if (added.type === 'again') {
    const inner = addLine(built, added.blocks);
    const test = addNode(built, 'test', 'work');
    connect(built, inner.last, test);
    connect(built, test, inner.first, 0);
    const out = addNode(built, 'out', 'work');
    connect(built, test, out);
    return { first: inner.first, last: out };
  }
  const split = addNode(built, added.type, added.type === 'either' ? 'work' : 'split');
  const merge = addNode(built, `after-${added.type}`, added.type === 'either' ? 'work' : 'join');
  added.blocks.forEach((each, index) => {
    const inner = addBlock(built, each);
    const isLast = index === added.blocks.length - 1;
    const isAlways = added.type === 'both' || (added.type === 'either' && isLast);
    connect(built, split, inner.first, isAlways ? undefined : index + 1);
    connect(built, inner.last, merge);
  });
  return { first: split, last: merge };
}

const alone = (id: string): Ends => ({ first: id, last: id });

function addLine(built: Built, blocks: readonly Block[]): Ends {
  const ends = blocks.map((each) => addBlock(built, each));
  ends.slice(1).forEach(({ first }, index) => connect(built, ends[index]?.last ?? '', first));
  return { first: ends[0]?.first ?? '', last: ends.at(-1)?.last ?? '' };
}

function addNode(built: Built, name: string, role: 'work' | 'split' | 'join'): string {
  const id = name === 'first' ? name : `${name}-${built.nodes.length}`;
  const base = { id, label: 'calm', dialectKind: 'test', policy: defaultPolicy };
  built.nodes.push(
    role === 'join'
      ? { ...base, kind: 'join', config: { need: 'all' } }
      : { ...base, kind: 'pass', config: {}, exits: role === 'split' ? 'all' : 'first' },
  );
  return id;
}

function connect(built: Built, from: string, to: string, number?: number): void {
  const condition =
    number === undefined ? ({ type: 'always' } as const) : ({ type: 'contains', text: `[${number}]` } as const);
  built.edges.push({ from, to, port: 'out', condition, label: null });
}
