import { isDeepStrictEqual } from 'node:util';
import type { Database } from '../../db/client.js';
import type { DefinitionRef } from '../../db/definitions.js';
import type { Plan } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';
import { findDefinition } from './definition-rows.js';
import { compileRow } from './definitions.js';
import { isBlocker, type GraphProblem } from './documents.js';
import { liveVersions, reasonsAgainst, standingRuns, type LiveRuns, type StandingRun } from './live-runs.js';
import type { UrlRulesOf } from './egress-lists.js';

export interface Effect {
  readonly run_id: string;
  readonly version_id: string;
  readonly version: number | null;
  /** The nodes it stands at. */
  readonly at: readonly string[];
  /** `stays`: its version is the candidate already; the others say whether it could be moved. */
  readonly outcome: 'stays' | 'can_move' | 'cannot_move';
  readonly reasons: readonly string[];
}

export interface Preview {
  readonly ok: boolean;
  readonly problems: readonly GraphProblem[];
  readonly versions: readonly LiveRuns[];
  readonly effects: readonly Effect[];
  /** Open runs that `effects` leaves out, being too many. */
  readonly more_runs: number;
}

export type PreviewPublish = (of: DefinitionRef, document: Json | undefined) => Promise<Preview>;

const MOST_EFFECTS = 200;

/** What publishing a document, or the draft, would mean for each open run. */
export const createPreview =
  (deps: { readonly db: Database; readonly urlRules: UrlRulesOf }): PreviewPublish =>
  async (of, document) => {
    const row = await findDefinition(deps.db, of);
    const candidate = await compileRow(deps, of.workspaceId, document === undefined ? row : { ...row, document });
    const versions = await liveVersions(deps.db, of);
    const runs = candidate.plan === null ? [] : await standingRuns(deps.db, of, MOST_EFFECTS);
    const { plan, problems } = candidate;
    return {
      ok: plan !== null && !problems.some(isBlocker),
      problems,
      versions,
      effects: plan === null ? [] : runs.map((run) => effectOn(run, plan)),
      more_runs: versions.reduce((sum, each) => sum + each.runs, 0) - runs.length,
    };
  };

function effectOn(run: StandingRun, plan: Plan): Effect {
  const stays = isDeepStrictEqual(run.plan, plan);
  const reasons = stays ? [] : reasonsAgainst(run, plan);
  const outcome = reasons.length === 0 ? 'can_move' : 'cannot_move';
  return {
    run_id: run.id,
    version_id: run.version_id ?? '',
    version: run.number,
    at: run.at,
    outcome: stays ? 'stays' : outcome,
    reasons,
  };
}
