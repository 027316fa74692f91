import { z } from 'zod';
import { JsonSchema, nodeId } from './nodes/common.js';
import { pointerOf, type GraphProblem } from './problems.js';
import type { Json } from './values.js';

/** A workflow as its author draws it. It may be saved incomplete; what it lacks is told when it is compiled. */

const AnyJson = z.custom<Json>((value) => value !== undefined).meta({ description: 'Any JSON' });

export const RetryPolicy = z
  .strictObject({
    max_attempts: z.number().int().min(1).max(100).optional().meta({ description: 'Attempts in all' }),
    initial_seconds: z.number().min(0.01).max(86_400).optional().meta({ description: 'First pause' }),
    max_seconds: z.number().min(0.01).max(86_400).optional().meta({ description: 'Longest pause' }),
    factor: z.number().min(1).max(10).optional().meta({ description: 'Each pause is so many times the one before' }),
    non_retryable: z
      .array(z.string().max(200))
      .max(50)
      .optional()
      .meta({ description: 'Error types never tried again' }),
  })
  .meta({ id: 'RetryPolicy' });

export const OnErrorPolicy = z
  .union([
    z.enum(['fail', 'route', 'park']),
    z.strictObject({ action: z.enum(['fail', 'route', 'park']) }),
    z.strictObject({ action: z.literal('fallback'), value: AnyJson }),
  ])
  .meta({
    id: 'OnErrorPolicy',
    description:
      'fail: the run fails; route: the edges of port `error` are followed; park: waits for a person to retry it; fallback: goes on with the value',
  });

/** Keys of every node beside its configuration; chain steps have them too. */
export const nodePolicy = {
  retry: RetryPolicy.optional(),
  timeout: z
    .number()
    .min(0.1)
    .max(400 * 86_400)
    .optional()
    .meta({ description: 'Seconds: of one attempt; of the whole for waits, maps, loops and subflows' }),
  on_error: OnErrorPolicy.optional(),
  save_as: z
    .string()
    .regex(/^[A-Za-z_]\w{0,99}$/, 'must be letters, digits and _, starting with no digit')
    .optional()
    .meta({ description: 'The variable that takes the output' }),
};

export const GraphNode = z
  .looseObject({
    id: nodeId,
    type: z.string().min(1).max(100),
    label: z.string().max(200).optional(),
    config: z.record(z.string(), AnyJson).default({}),
    ...nodePolicy,
    undo: nodeId
      .optional()
      .meta({ description: 'The node that undoes this one on failure, on cancel and by compensate' }),
    mutex: z.string().min(1).max(100).optional().meta({ description: 'Nodes of one name never run at the same time' }),
    within: nodeId.optional().meta({ description: 'The map or loop whose body this node belongs to' }),
    notes: z.string().max(20_000).optional(),
    position: z.looseObject({ x: z.number(), y: z.number() }).optional(),
  })
  .meta({ id: 'GraphNode' });
export type GraphNode = z.output<typeof GraphNode>;

export const GraphEdge = z
  .looseObject({
    id: z.string().min(1).max(200).optional(),
    source: z.string().max(100),
    target: z.string().max(100),
    label: z.string().max(200).optional(),
    condition: z
      .strictObject({ expr: z.string().max(4_000) })
      .nullish()
      .meta({ description: '`default`, `contains:word`, `var.path == value`, or CEL in an automation' }),
    priority: z.number().optional().meta({ description: 'The lowest is asked first; 0 without it' }),
    port: z.string().max(50).optional().meta({ description: 'The way out of the source, such as `error`' }),
  })
  .meta({ id: 'GraphEdge' });
export type GraphEdge = z.output<typeof GraphEdge>;

export const GraphDocument = z
  .object({
    engine: z
      .enum(['studio', 'automation'])
      .default('studio')
      .meta({ description: 'automation opens the whole palette' }),
    nodes: z.array(GraphNode).max(2_000).default([]),
    edges: z.array(GraphEdge).max(10_000).default([]),
    input_schema: JsonSchema.optional(),
    output_schema: JsonSchema.optional(),
  })
  .meta({ id: 'GraphDocument' });
export type GraphDocument = z.output<typeof GraphDocument>;

export const emptyGraph: GraphDocument = { engine: 'studio', nodes: [], edges: [] };

/** What makes a graph no graph: refused when it is saved. */
export function structureProblems({ nodes, edges }: GraphDocument): readonly GraphProblem[] {
  const ids = nodes.map((node) => node.id);
  const known = new Set(ids);
  const doubles = nodes.flatMap(({ id }, index): readonly GraphProblem[] => {
    if (ids.indexOf(id) === index) return [];
    const message = `Give this node another id: a node before it is called "${id}".`;
    return [
      {
        code: 'duplicate_node_id',
        severity: 'blocker',
        node_id: id,
        pointer: pointerOf(['nodes', index, 'id']),
        message,
      },
    ];
  });
  const dangling = edges.flatMap((edge, index) =>
    (['source', 'target'] as const).flatMap((end): readonly GraphProblem[] => {
      if (known.has(edge[end])) return [];
      const message = `Point the ${end} of this edge at a node that exists: there is no "${edge[end]}".`;
      const at = { pointer: pointerOf(['edges', index, end]), ...(edge.id === undefined ? {} : { edge_id: edge.id }) };
      return [{ code: 'edge_to_missing_node', severity: 'blocker', ...at, message }];
    }),
  );
  return [...doubles, ...dangling];
}
