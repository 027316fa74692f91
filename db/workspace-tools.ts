import type { Json } from '../workflows/definition/values.js';
import type { Database } from './client.js';
import { scoped } from './scoped.js';

/** An HTTP call with a name, which nodes and agents of its workspace may make. */
export interface WorkspaceTool {
  readonly name: string;
  readonly description: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Json | null;
  /** JSON Schema of its arguments; null takes any. */
  readonly parameters: Json | null;
  /** Variables by name: JSONPath into the reply's body. */
  readonly outputs: Readonly<Record<string, string>>;
}

export const findWorkspaceTool = (
  db: Database,
  workspaceId: string,
  name: string,
): Promise<WorkspaceTool | undefined> =>
  scoped(db, workspaceId)
    .select('workspace_tools')
    .select(['name', 'description', 'method', 'url', 'headers', 'body', 'parameters', 'outputs'])
    .where('name', '=', name)
    .executeTakeFirst();
