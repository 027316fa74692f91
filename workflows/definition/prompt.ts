import { defaultPolicy, type Plan } from './plan.js';

export interface PromptDocument {
  /** Whose agent answers: the workspace's slug. */
  readonly agent: string;
  /** What the step is called in traces. */
  readonly label: string;
}

/** A plan of one agent's turn. The prompt is the run's input, never part of a template. */
export function compilePrompt({ agent, label }: PromptDocument): Plan {
  return {
    entry: 'prompt',
    nodes: {
      prompt: { id: 'prompt', kind: 'agent', label, dialectKind: 'agent', policy: defaultPolicy, config: { agent } },
    },
    edges: [],
  };
}
