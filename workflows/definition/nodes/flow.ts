import { z } from 'zod';
import { Expr, JsonSchema, Mapping, nodeId, Template } from './common.js';

/** Configurations of the nodes that steer a run. They cost no activity. */

export const StartConfig = z.strictObject({
  input_schema: JsonSchema.optional().meta({ description: "The definition's input schema, when it is not set there" }),
});

export const EndConfig = z.strictObject({
  output: Mapping.optional().meta({ description: "The run's output; the node's input without it" }),
  final_message: Template.optional().meta({ description: 'Said to the user of a conversation' }),
  terminate: z
    .boolean()
    .default(false)
    .meta({ description: 'Ends the whole run at once; otherwise only this path ends' }),
});

export const SetConfig = z.strictObject({
  values: z
    .record(z.string().regex(/^[A-Za-z_]\w{0,99}$/), Mapping)
    .meta({ description: 'Variables by name, read as vars.NAME' }),
});

export const BranchConfig = z.strictObject({});

export const SwitchConfig = z.strictObject({
  on: Expr.meta({
    description: 'Compared with the label of each outgoing edge; an edge labelled "default" takes the rest',
  }),
});

export const ParallelConfig = z.strictObject({});

export const JoinConfig = z.strictObject({
  need: z
    .union([z.literal('all'), z.literal('any'), z.number().int().min(1).max(500)])
    .default('all')
    .meta({ description: 'How many of the incoming paths must arrive; paths not taken are not waited for' }),
  cancel_rest: z.boolean().default(false).meta({ description: 'Withdraws what still runs between the split and here' }),
});

export const MapConfig = z.strictObject({
  items: Expr.meta({ description: 'CEL expression that gives a list' }),
  entry: nodeId.meta({ description: 'First node of the body: the nodes whose `within` names this map' }),
  concurrency: z.number().int().min(1).max(50).default(10).meta({ description: 'Items at the same time' }),
  on_item_error: z
    .enum(['fail', 'continue'])
    .default('fail')
    .meta({ description: 'continue: the item becomes {"error": ...}' }),
});

export const LoopConfig = z.strictObject({
  while: Expr.optional().meta({
    description: 'Asked before each round, over vars, input (of the last round) and index',
  }),
  entry: nodeId.meta({ description: 'First node of the body: the nodes whose `within` names this loop' }),
  max_iterations: z.number().int().min(1).max(10_000).default(100).meta({ description: 'Rounds at most' }),
});

export const SubflowConfig = z.strictObject({
  definition: z.string().max(100).meta({ description: 'Id of the definition to run' }),
  version: z
    .union([z.literal('latest'), z.string().max(100)])
    .default('latest')
    .meta({ description: '`latest`, or a version id to pin' }),
  input: Mapping.optional().meta({ description: "The node's input without it" }),
  wait: z.boolean().default(true).meta({ description: 'false: goes on at once with {"run_id": ...}' }),
});

export const RespondConfig = z.strictObject({
  body: Mapping.optional().meta({
    description: "Answers a caller that waits for the run; the node's input without it",
  }),
});

export const CompensateConfig = z.strictObject({
  nodes: z.array(nodeId).optional().meta({ description: 'Undo only these nodes; every finished one without it' }),
});

export const CancelConfig = z.strictObject({
  nodes: z.array(nodeId).min(1).meta({ description: 'Withdraws whatever runs, waits or is due in these nodes' }),
});
