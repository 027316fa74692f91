import type { z } from 'zod';
import type { TreeRow, WorkspaceRow } from '../../db/workspaces.js';
import { WorkspaceSettings } from './workspace-settings.js';

export const namespaceOf = (id: string): string => `workspace:${id}`;

const Shown = WorkspaceSettings.omit({ initial_memories: true });

const unset = {
  role: null,
  template: null,
  tier: null,
  model: null,
  runtime: null,
  external: false,
  url: null,
  workspace_dir: null,
  workspace_access: 'none',
  budget_limit: null,
  canvas: null,
} as const satisfies Required<z.output<typeof Shown>>;

export interface WorkspaceView extends WorkspaceSettings {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly parent_id: string | null;
  readonly status: 'ready';
  readonly awareness_namespace: string;
  readonly max_concurrent_tasks: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

/** The row and its settings as one object, every setting present. */
export const presentWorkspace = (row: WorkspaceRow): WorkspaceView => ({
  ...unset,
  ...Shown.parse(row.settings),
  id: row.id,
  name: row.name,
  slug: row.slug,
  parent_id: row.parent_id,
  status: 'ready',
  awareness_namespace: namespaceOf(row.id),
  max_concurrent_tasks: row.max_concurrent_tasks,
  created_at: row.created_at,
  updated_at: row.updated_at,
});

export interface WorkspaceTree extends TreeRow {
  readonly children: readonly WorkspaceTree[];
}

/** Flat rows, each with its parent's id, as a tree; undefined when its root is not among them. */
export function treeOf(rows: readonly TreeRow[], rootId: string): WorkspaceTree | undefined {
  const below = new Map<string | null, TreeRow[]>();
  for (const row of rows) {
    const siblings = below.get(row.parent_id) ?? [];
    siblings.push(row);
    below.set(row.parent_id, siblings);
  }
  const grow = (row: TreeRow): WorkspaceTree => ({ ...row, children: (below.get(row.id) ?? []).map(grow) });
  const root = rows.find(({ id }) => id === rootId);
  return root === undefined ? undefined : grow(root);
}
