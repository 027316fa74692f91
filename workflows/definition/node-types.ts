import { z } from 'zod';
import { paletteConfigs, paletteKinds, plainConfigs, type PaletteKind, type PlainKind } from './chain.js';
import {
  graphConfigs,
  graphTypes,
  kindOfType,
  portsOf,
  studioTypes,
  typeAliases,
  type GraphType,
} from './graph-configs.js';
import { chainAbout, graphAbout, type About } from './node-type-texts.js';
import { classOfKind, type ExecutionClass, type NodeKind, type Port } from './plan.js';
import type { Json } from './values.js';

/** What every type of node is, for pages, documents and OpenAPI: made of the schemas that check it. */

export const nodeDialects = ['studio', 'automation', 'chain'] as const;
export type NodeDialect = (typeof nodeDialects)[number];

export interface NodeType {
  readonly type: string;
  readonly dialects: readonly NodeDialect[];
  readonly title: string;
  readonly description: string;
  /** JSON Schema of `config`. */
  readonly config: { readonly [key: string]: Json };
  readonly ports: readonly Port[];
  /** inline: free; wait: nothing runs; fast and durable: an activity; frame: others run inside it. */
  readonly execution: ExecutionClass;
  /** Other names of it in an automation. */
  readonly aliases: readonly string[];
  readonly examples: readonly Json[];
}

/** What a chain's own kinds compile to, as far as their ways and costs go. */
const kindOfStep: Readonly<Record<PlainKind, NodeKind>> = {
  trigger: 'pass',
  assistant: 'assistant',
  agent: 'agent',
  decide: 'branch',
  webhook: 'webhook',
  schedule: 'delay',
  notify: 'notify',
  human: 'approval',
};

let registry: readonly NodeType[] | null = null;

/** Every type, or those of one dialect. */
export function nodeTypes(dialect?: NodeDialect): readonly NodeType[] {
  registry ??= [...graphTypes.map(graphType), ...(Object.keys(plainConfigs) as PlainKind[]).map(chainType)]; // -- reason: Object.keys forgets the keys
  return dialect === undefined ? registry : registry.filter((each) => each.dialects.includes(dialect));
}

const isPalette = (type: string): type is PaletteKind => paletteKinds.some((kind) => kind === type);

function graphType(type: GraphType): NodeType {
  const dialects: readonly NodeDialect[] = [
    ...(studioTypes.includes(type) ? (['studio'] as const) : []),
    'automation',
    ...(isPalette(type) ? (['chain'] as const) : []),
  ];
  const aliases = Object.keys(typeAliases).filter((alias) => typeAliases[alias] === type);
  return entry(
    { type, dialects, aliases, schema: isPalette(type) ? paletteConfigs[type] : graphConfigs[type] },
    kindOfType[type],
    graphAbout[type],
  );
}

const chainType = (type: PlainKind): NodeType =>
  entry({ type, dialects: ['chain'], aliases: [], schema: plainConfigs[type] }, kindOfStep[type], chainAbout[type]);

function entry(
  { schema, ...base }: Pick<NodeType, 'type' | 'dialects' | 'aliases'> & { readonly schema: z.ZodType },
  kind: NodeKind,
  { title, description, examples }: About,
): NodeType {
  return {
    ...base,
    title,
    description,
    config: jsonSchemaOf(schema),
    ports: portsOf(kind),
    execution: kind === 'code' ? 'fast' : classOfKind[kind],
    examples,
  };
}

/** As its author may write it: what has a default may be left out. */
function jsonSchemaOf(schema: z.ZodType): { readonly [key: string]: Json } {
  const { $schema: _draft, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  // -- reason: a JSON Schema is JSON
  return JSON.parse(JSON.stringify(rest)) as { readonly [key: string]: Json };
}
