import { z } from 'zod';
import { nodeDialects, nodeTypes, type NodeType } from '../../workflows/definition/node-types.js';
import { route, type Route } from '../http/route.js';
import { JsonValue } from '../http/schemas.js';

const Dialect = z.enum([...nodeDialects, 'workflow']).meta({ description: '`workflow` is studio and automation' });

const NodeTypeShape = z
  .object({
    type: z.string(),
    title: z.string(),
    description: z.string(),
    dialects: z.array(z.enum(nodeDialects)),
    aliases: z.array(z.string()).meta({ description: 'Other names of it in an automation' }),
    config_schema: JsonValue.meta({ description: 'JSON Schema of `config`' }),
    ports: z.array(z.string()).meta({ description: 'Ways out; the first is that of an edge that names none' }),
    execution_class: z.enum(['inline', 'durable', 'fast', 'wait', 'frame']),
    examples: z.array(JsonValue),
  })
  .meta({ id: 'NodeType' });

const present = ({ config, execution, ...type }: NodeType) => ({
  ...type,
  config_schema: config,
  execution_class: execution,
});

const isOf = ({ dialects }: NodeType, dialect: z.output<typeof Dialect> | undefined): boolean =>
  dialect === undefined || dialects.some((each) => each === dialect || (dialect === 'workflow' && each !== 'chain'));

export const nodeTypeRoutes: readonly Route[] = [
  route({
    id: 'nodeTypes.list',
    method: 'GET',
    path: '/v1/node-types',
    summary: 'List what nodes and steps can be: configuration, ways out, cost and examples',
    tag: 'definitions',
    auth: 'member',
    can: 'workflow.read',
    query: z.object({ dialect: Dialect.optional() }),
    reply: z.object({ items: z.array(NodeTypeShape), total: z.number().int() }),
    handle: ({ query: { dialect } }) => {
      const items = nodeTypes()
        .filter((type) => isOf(type, dialect))
        .map(present);
      return Promise.resolve({ items, total: items.length });
    },
  }),
];
