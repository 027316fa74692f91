import { takeFromCap } from '../../db/rate-caps.js';
import { findWorkspace } from '../../db/workspaces.js';
import type { Database } from '../../db/client.js';
import { tooMany } from '../http/errors.js';

/** What a workspace allows each of its workflows a minute, of sessions and turns together; 0 or nothing: no limit. */
export async function holdToCap(
  db: Database,
  { workspaceId, definitionId }: { readonly workspaceId: string; readonly definitionId: string },
): Promise<void> {
  const workspace = await findWorkspace(db, workspaceId);
  const perMinute = Number(workspace?.settings['rpm_cap_per_agent'] ?? 0);
  if (!(perMinute > 0)) return;
  const seconds = await takeFromCap(db, { key: `rpm:${definitionId}`, points: perMinute, seconds: 60 });
  if (seconds === null) return;
  const cap = `rpm_cap_per_agent of this workspace is ${perMinute}`;
  throw tooMany(`Too many sessions and turns of this workflow: ${cap}. Try again in ${seconds} s.`, seconds);
}
