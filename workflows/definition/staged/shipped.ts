import type { StarterWorkflow } from '../agents/starters.js';
import type { Json } from '../values.js';

/** The staged workflows a workspace begins with. */

const analysisCode: Json = {
  display_name: 'Analysis, then code',
  description: 'The data analyst works out what the message says; the code assistant writes the program for it.',
  default: true,
  allow_handoff_agents: false,
  steps: [
    { name: 'analysis', agent_key: 'data_analyst' },
    { name: 'code', agent_key: 'code_assistant', input_mapper: 'passthrough' },
  ],
};

const analysisParallel: Json = {
  display_name: 'Analysis and code side by side',
  description: 'Both work on the message at the same time; the code assistant then makes one answer of the two.',
  default: false,
  allow_handoff_agents: false,
  stages: [
    {
      name: 'fanout',
      mode: 'parallel',
      reducer: 'join_sections',
      steps: [
        { name: 'analysis', agent_key: 'data_analyst' },
        { name: 'code', agent_key: 'code_assistant' },
      ],
    },
    { name: 'synthesis', mode: 'sequential', steps: [{ name: 'synthesis', agent_key: 'code_assistant' }] },
  ],
};

export const shippedWorkflows: readonly StarterWorkflow[] = [
  {
    kind: 'staged',
    slug: 'analysis_code',
    name: 'Analysis, then code',
    description: 'The data analyst works out what the message says; the code assistant writes the program for it.',
    document: analysisCode,
  },
  {
    kind: 'staged',
    slug: 'analysis_parallel',
    name: 'Analysis and code side by side',
    description: 'Both work on the message at the same time; the code assistant then makes one answer of the two.',
    document: analysisParallel,
  },
];
