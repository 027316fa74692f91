import { z } from 'zod';
import { resourceName } from './action-tool.js';

/** A workflow of agents: who speaks in a call, and to whom each of them may hand it over. */

/** No dots: the nodes that a plan adds have one in their ids. */
const dagNodeId = z
  .string()
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$/,
    'must be letters, digits, _ and -, at most 100, starting with a letter, digit or _',
  );

const contextKey = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/, 'must be letters, digits and _, at most 100, starting with no digit');

export const DagNode = z
  .strictObject({
    id: dagNodeId,
    agent_name: resourceName.meta({ description: 'Name of the agent who speaks here' }),
    is_entry: z.boolean().default(false).meta({ description: 'The call begins here: exactly one node' }),
    is_exit: z.boolean().default(false).meta({ description: 'The agent may end the call here: at least one node' }),
    skip_condition: z.string().max(4_000).nullish().meta({
      description: 'A path such as flags.verified, {{flags.verified}}, or CEL: while it holds, the node is passed over',
    }),
    position: z
      .strictObject({ x: z.number(), y: z.number() })
      .optional()
      .meta({ description: 'Where an editor draws it' }),
  })
  .meta({ id: 'DagNode' });
export type DagNode = z.output<typeof DagNode>;

export const DagConnection = z
  .strictObject({
    source_id: z.string().max(200),
    target_id: z.string().max(200),
    context_passed: z
      .array(contextKey)
      .max(100)
      .default([])
      .meta({ description: "Keys of the agent's own context that go along" }),
  })
  .meta({ id: 'DagConnection' });
export type DagConnection = z.output<typeof DagConnection>;

export const MOST_DAG_NODES = 100;

export const DagDocument = z
  .strictObject({
    nodes: z.array(DagNode).max(MOST_DAG_NODES),
    connections: z.array(DagConnection).max(2_000).default([]),
    shared_context: z.array(contextKey).max(200).default([]).meta({ description: 'Context keys that all agents share' }),
  })
  .meta({ id: 'DagDocument' });
export type DagDocument = z.output<typeof DagDocument>;

export const emptyDag: DagDocument = { nodes: [], connections: [], shared_context: [] };

/** Ids of the plan's own nodes. */
export const dagPlanIds = {
  call: 'call',
  hangup: 'hangup',
  hungUp: 'hung_up',
  completed: 'call.completed',
  timeout: 'call.timeout',
} as const;

export const HANGUP_EVENT = 'call.hangup';
