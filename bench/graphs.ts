/** The graphs that are measured. */

interface Graph {
  readonly slug: string;
  readonly nodes: readonly object[];
  readonly edges: readonly object[];
}

/** An activity of its own; the model behind it is the scripted one. */
const durable = (id: string) => ({ id, type: 'llm', config: { prompt: '{{ run.input.text }}' } });
/** Short and safe to repeat: a line of such nodes shares an activity. */
const fast = (id: string, more: object = {}) => ({
  ...{ id, type: 'channel_send', config: { channel: 'log', text: 'noted' } },
  ...more,
});
const start = { id: 'start', type: 'start' };
const end = { id: 'end', type: 'end', config: { output: 'done' } };

const line = (ids: readonly string[]): readonly object[] =>
  ids.slice(1).map((target, index) => ({ source: ids[index], target }));

const times = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

const steps: Graph = {
  slug: 'steps',
  nodes: [start, durable('first'), durable('second'), durable('third'), end],
  edges: line(['start', 'first', 'second', 'third', 'end']),
};

const WIDTH = 18;

function fan(slug: string, node: (id: string) => object): Graph {
  const middle = times(WIDTH).map((index) => `middle${index}`);
  return {
    slug,
    nodes: [
      ...[start, node('first'), { id: 'split', type: 'parallel' }],
      ...middle.map((id) => node(id)),
      ...[{ id: 'both', type: 'join' }, node('last'), end],
    ],
    edges: [
      ...line(['start', 'first', 'split']),
      ...middle.flatMap((id) => line(['split', id, 'both'])),
      ...line(['both', 'last', 'end']),
    ],
  };
}

const ITEMS = 50;

const map: Graph = {
  slug: 'map',
  nodes: [
    start,
    { id: 'each', type: 'map', config: { items: `[${times(ITEMS).join(', ')}]`, entry: 'note', concurrency: 10 } },
    fast('note', { within: 'each' }),
    end,
  ],
  edges: line(['start', 'each', 'end']),
};

const PAIRS = 25;

/** Assignments and branches in turn; each branch has a way that is not taken. */
const inline: Graph = {
  slug: 'inline',
  nodes: [
    ...[start, { id: 'set0', type: 'set', config: { values: { count: 0 } } }],
    ...times(PAIRS).flatMap((index) => [
      { id: `branch${index}`, type: 'branch' },
      { id: `set${index + 1}`, type: 'set', config: { values: { count: { $expr: 'vars.count + 1' } } } },
    ]),
    end,
  ],
  edges: [
    ...line(['start', 'set0', 'branch0']),
    ...times(PAIRS).flatMap((index) => [
      { source: `branch${index}`, target: 'end', condition: { expr: 'vars.count > 100' } },
      { source: `branch${index}`, target: `set${index + 1}` },
      { source: `set${index + 1}`, target: index + 1 === PAIRS ? 'end' : `branch${index + 1}` },
    ]),
  ],
};

export const graphs: readonly Graph[] = [steps, fan('fan', durable), fan('fast-fan', fast), map, inline];
export type { Graph };
