import { z } from 'zod';

const Text = z.string().max(2_000);

const Memory = z.object({ content: z.string().min(1).max(32_768), scope: z.enum(['LOCAL', 'TEAM', 'GLOBAL']) });

/** What the Integrations surface lets a caller say of a workspace; kept as given. */
export const workspaceSettings = {
  role: Text.nullable().optional(),
  template: Text.nullable().optional(),
  tier: z.union([Text, z.number()]).nullable().optional(),
  model: Text.nullable().optional(),
  runtime: Text.nullable().optional(),
  external: z.boolean().optional(),
  url: Text.nullable().optional(),
  workspace_dir: Text.nullable().optional(),
  workspace_access: z.enum(['none', 'read_only', 'read_write']).optional(),
  budget_limit: z.number().min(0).nullable().optional(),
  canvas: z.object({ x: z.number(), y: z.number() }).nullable().optional(),
  initial_memories: z.array(Memory).max(100).optional(),
};

export const WorkspaceSettings = z.object(workspaceSettings);
export type WorkspaceSettings = z.output<typeof WorkspaceSettings>;
