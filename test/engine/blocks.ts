import fc from 'fast-check';
import { defaultPolicy, type Plan, type PlanEdge, type PlanNode } from '../../workflows/definition/plan.js';
import { wayOut } from './scripted.js';

/**
 * A piece of a plan with one way in and one way out. `either` follows one way, `both` all, `some` those whose condition
 * holds; `again` is a cycle of edges, gone through while the test at its end says so.
 */
interface Block {
  readonly type: 'work' | 'line' | 'either' | 'both' | 'some' | 'again' | 'race';
  /** How many of a race's ways it takes; the rest may be withdrawn. */
  readonly need: number;
  readonly cancelRest: boolean;
  readonly blocks: readonly Block[];
}

const blocksOf = (types: readonly Block['type'][]): fc.Arbitrary<Block> =>
  fc.letrec<{ block: Block }>((tie) => ({
    block: fc.oneof(
      { maxDepth: 4, depthSize: 'small' },
      fc.constant<Block>({ type: 'work', blocks: [], need: 0, cancelRest: false }),
      fc.record<Block>({
        type: fc.constantFrom(...types),
        need: fc.integer({ min: 1, max: 2 }),
        cancelRest: fc.boolean(),
        blocks: fc.array(tie('block'), { minLength: 2, maxLength: 3 }),
      }),
    ),
  })).block;

/**
 * Plans of nested blocks: branches whose ways meet again in a plain node, splits whose ways meet in a join, and cycles.
 * They are confluent as well: no two tokens are ever in the same block.
 */
export const blockPlans = (): fc.Arbitrary<Plan> => blocksOf(['line', 'either', 'both', 'some', 'again']).map(planOf);

/** With joins that go on without the rest: they are not confluent, but each fires once for each time its split ran. */
export const racePlans = (): fc.Arbitrary<Plan> =>
  blocksOf(['line', 'either', 'both', 'again', 'race', 'race']).map(planOf);

function planOf(root: Block): Plan {
  const built: Built = { nodes: [], edges: [] };
  addNode(built, 'first', { role: 'work' });
  const ends = addBlock(built, root);
  connect(built, 'first', ends.first);
  return { entry: 'first', nodes: Object.fromEntries(built.nodes.map((each) => [each.id, each])), edges: built.edges };
}

interface Built {
  readonly nodes: PlanNode[];
  readonly edges: PlanEdge[];
  /** Inside a way of a race, which may be withdrawn. */
  readonly isInRace?: boolean;
}

interface Ends {
  readonly first: string;
  readonly last: string;
}

function addBlock(built: Built, added: Block): Ends {
  if (added.type === 'work') return alone(addNode(built, 'work', { role: 'work' }));
  if (added.type === 'line') return addLine(built, added.blocks);
  if (added.type === 'again') return addCycle(built, added.blocks);
  const isEither = added.type === 'either';
  const split = addNode(built, built.isInRace === true ? `inner-${added.type}` : added.type, {
    role: isEither ? 'work' : 'split',
  });
  const need = added.type === 'race' ? added.need : 'all';
  const merge = addNode(built, `after-${split}`, {
    role: isEither ? 'work' : 'join',
    need,
    cancelRest: added.cancelRest,
  });
  added.blocks.forEach((each, index) => {
    const inner = addBlock(added.type === 'race' ? { ...built, isInRace: true } : built, each);
    const isLast = index === added.blocks.length - 1;
    const isAlways = added.type === 'both' || added.type === 'race' || (isEither && isLast);
    connect(built, split, inner.first, isAlways ? undefined : index + 1);
    connect(built, inner.last, merge);
  });
  return { first: split, last: merge };
}

function addCycle(built: Built, blocks: readonly Block[]): Ends {
  const inner = addLine(built, blocks);
  const test = addNode(built, 'test', { role: 'work' });
  const out = addNode(built, 'out', { role: 'work' });
  connect(built, inner.last, test);
  connect(built, test, inner.first, 0);
  connect(built, test, out);
  return { first: inner.first, last: out };
}

const alone = (id: string): Ends => ({ first: id, last: id });

function addLine(built: Built, blocks: readonly Block[]): Ends {
  const ends = blocks.map((each) => addBlock(built, each));
  ends.slice(1).forEach(({ first }, index) => connect(built, ends[index]?.last ?? '', first));
  return { first: ends[0]?.first ?? '', last: ends.at(-1)?.last ?? '' };
}

interface Role {
  readonly role: 'work' | 'split' | 'join';
  readonly need?: 'all' | number;
  readonly cancelRest?: boolean;
}

function addNode(built: Built, name: string, { role, need = 'all', cancelRest = false }: Role): string {
  const id = name === 'first' || name.startsWith('after-') ? name : `${name}-${built.nodes.length}`;
  const base = { id, label: 'calm', dialectKind: 'test', policy: defaultPolicy };
  const exits = role === 'split' ? 'all' : 'first';
  built.nodes.push(
    role === 'join'
      ? { ...base, kind: 'join', config: { need, ...(need === 'all' || !cancelRest ? {} : { cancelRest }) } }
      : { ...base, kind: 'pass', config: {}, exits },
  );
  return id;
}

function connect(built: Built, from: string, to: string, number?: number): void {
  const condition =
    number === undefined ? ({ type: 'always' } as const) : ({ type: 'contains', text: wayOut(from, number) } as const);
  built.edges.push({ from, to, port: 'out', condition, label: null });
}
