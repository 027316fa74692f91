import type { z } from 'zod';
import type { Json } from '../values.js';
import type { ActionToolConfig } from './action-tool.js';
import type { NamedAgentConfig } from './named-agent.js';
import { callStarters } from './starter-calls.js';

/** What a new workspace begins with. It belongs to the workspace: people change it, and what they delete stays deleted. */

export interface StarterAgent {
  readonly name: string;
  readonly display_name: string;
  readonly description: string;
  readonly config: z.input<typeof NamedAgentConfig>;
}

export interface StarterTool {
  readonly name: string;
  readonly description: string;
  readonly config: z.input<typeof ActionToolConfig>;
}

export interface StarterWorkflow {
  /** Of the definition, such as `agent_dag` or `staged`. */
  readonly kind: string;
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly document: Json;
}

export interface Starters {
  readonly agents: readonly StarterAgent[];
  readonly tools: readonly StarterTool[];
  /** Compiled in this order, after the agents and tools are there. */
  readonly workflows: readonly StarterWorkflow[];
}

/** Who answers when a caller names nobody, or somebody unknown. */
export const DEFAULT_AGENT = 'triage';

const triage: StarterAgent = {
  name: DEFAULT_AGENT,
  display_name: 'Triage',
  description: 'Answers what it can and hands over to the specialist for code or for data.',
  config: {
    prompt: {
      system: [
        'You are the first person a user talks to.',
        'Find out what they need. Answer general questions yourself, in a few plain sentences.',
        'Hand over to code_assistant for anything about writing, reading or mending programs.',
        'Hand over to data_analyst for anything about numbers, tables, statistics or charts.',
        'Ask one short question when you cannot tell which of them it is. Never invent facts.',
      ].join('\n'),
    },
    handoffs: [{ target_agent: 'code_assistant' }, { target_agent: 'data_analyst' }],
  },
};

const codeAssistant: StarterAgent = {
  name: 'code_assistant',
  display_name: 'Code assistant',
  description: 'Writes, explains and mends programs.',
  config: {
    prompt: {
      system: [
        'You help with programs: you write them, explain them and find what is wrong with them.',
        'Say in one sentence what you are going to do, then give code that is complete and can be run as it stands.',
        'Name the assumptions you made. Point out errors and risks you see, also where you were not asked for them.',
        'When you are given an analysis, build on its findings and do not repeat it.',
      ].join('\n'),
    },
    llm: { temperature: 0.2 },
  },
};

const dataAnalyst: StarterAgent = {
  name: 'data_analyst',
  display_name: 'Data analyst',
  description: 'Works out what numbers say, and how sure that is.',
  config: {
    prompt: {
      system: [
        'You analyse data: you say what it shows, how you came to that, and how sure it is.',
        'Begin with the finding, then the numbers it rests on, then what is missing or doubtful.',
        'Show each calculation so that somebody can check it. Say so when the data cannot answer the question.',
      ].join('\n'),
    },
    llm: { temperature: 0.2 },
  },
};

export const serviceAgents: readonly StarterAgent[] = [triage, codeAssistant, dataAnalyst];

/** Everything, in the order it is made. */
export const starters: Starters = {
  agents: [...serviceAgents, ...callStarters.agents],
  tools: [...callStarters.tools],
  workflows: [...callStarters.workflows],
};
