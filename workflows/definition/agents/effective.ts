import { z } from 'zod';
import { NamedAgentConfig } from './named-agent.js';

const { stt, tts, llm, vad } = NamedAgentConfig.shape;

/** The provider blocks that agents take where they say nothing themselves. */
export const AgentDefaults = z.strictObject({ stt, tts, llm, vad }).meta({ id: 'AgentDefaults' });
export type AgentDefaults = z.output<typeof AgentDefaults>;

/** What an organisation settled for all its agents. */
export interface TenantAgentDefaults extends AgentDefaults {
  readonly default_language?: string | undefined;
  readonly languages?: readonly string[] | undefined;
}

const blocks = ['stt', 'tts', 'llm', 'vad'] as const;

/** The configuration with what it leaves out filled in: a block as a whole, never a part of one. */
export function effectiveConfig(config: NamedAgentConfig, defaults: TenantAgentDefaults): NamedAgentConfig {
  const inherited = blocks.flatMap((block) => {
    const value = config[block] ?? defaults[block];
    return value === undefined ? [] : [[block, value] as const];
  });
  const language = config.default_language ?? defaults.default_language;
  return {
    ...config,
    // -- reason: each block has a value of its own type
    ...(Object.fromEntries(inherited) as Partial<Pick<NamedAgentConfig, (typeof blocks)[number]>>),
    languages: config.languages.length > 0 ? config.languages : [...(defaults.languages ?? [])],
    ...(language === undefined ? {} : { default_language: language }),
  };
}

export const hasDefaults = (defaults: TenantAgentDefaults): boolean =>
  blocks.some((block) => defaults[block] !== undefined) ||
  defaults.default_language !== undefined ||
  (defaults.languages ?? []).length > 0;
