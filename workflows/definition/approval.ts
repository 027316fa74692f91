import { literalTemplate } from './liquid.js';
import { defaultPolicy, type NodeConfigs, type Plan } from './plan.js';

/** The only node of a free-standing approval. */
export const APPROVAL_NODE = 'approval';

/** A question to a person that belongs to no definition: a plan of one wait. Its words are texts, not templates. */
export function compileApproval(config: NodeConfigs['approval']): Plan {
  const { prompt, reason } = config;
  const node = {
    id: APPROVAL_NODE,
    kind: 'approval',
    label: prompt,
    dialectKind: 'approval',
    policy: defaultPolicy,
    config: {
      ...config,
      prompt: literalTemplate(prompt),
      ...(reason === undefined ? {} : { reason: literalTemplate(reason) }),
    },
  } as const;
  return { entry: APPROVAL_NODE, nodes: { [APPROVAL_NODE]: node }, edges: [] };
}
