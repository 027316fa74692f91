import { defaultPolicy, type NodeConfigs, type Plan } from './plan.js';

/** The only node of a free-standing approval. */
export const APPROVAL_NODE = 'approval';

/** A question to a person that belongs to no definition: a plan of one wait. */
export function compileApproval(config: NodeConfigs['approval']): Plan {
  const node = {
    id: APPROVAL_NODE,
    kind: 'approval',
    label: config.prompt,
    dialectKind: 'approval',
    policy: defaultPolicy,
    config,
  } as const;
  return { entry: APPROVAL_NODE, nodes: { [APPROVAL_NODE]: node }, edges: [] };
}
