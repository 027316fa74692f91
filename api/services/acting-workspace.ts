import type { Actor } from '../actor.js';
import { forbidden } from '../http/errors.js';

/** What rows of kind `tenant` that work on things of a workspace answer where there is none, for their `errors`. */
export const noWorkspace = { 403: 'the caller acts in no workspace' } as const;

/** The workspace acted in, on routes that ask for an organisation first: not every caller has one, or is a member of it. */
export function actingWorkspace({ type, workspaceId, capabilities }: Actor): string {
  if (type === 'admin') {
    throw forbidden('ADMIN_TOKEN acts in no workspace: sign in, or send an API key of the workspace.');
  }
  if (workspaceId === '') {
    throw forbidden('You act in no workspace: name one of yours in X-Workspace-Id, or send an API key of one.');
  }
  if (type === 'user' && !capabilities.has('workspace.read')) {
    throw forbidden('You are no member of the workspace of your session: name another in X-Workspace-Id.');
  }
  return workspaceId;
}
