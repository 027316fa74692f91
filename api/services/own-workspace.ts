import type { Actor } from '../actor.js';
import { forbidden } from '../http/errors.js';

/** The workspace that an actor of a `tenant` row acts in; some act for an organisation and in none of its workspaces. */
export function ownWorkspace({ type, workspaceId, capabilities }: Actor): string {
  const isMember = type !== 'user' || capabilities.has('workspace.read');
  if (workspaceId !== '' && isMember) return workspaceId;
  throw forbidden(
    'You act in no workspace here: use an API key of one, or name a workspace you are a member of in X-Workspace-Id.',
  );
}
