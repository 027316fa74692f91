import type { Database } from '../../db/client.js';
import { egressProblem, parseEgressRule, RuleProblem, type EgressRule } from '../../db/egress.js';
import { readEgressLists, writeEgressLists, type EgressLists, type TenantLimits } from '../../db/tenant-egress.js';
import { invalid, notFound, type ErrorDetail } from '../http/errors.js';

export interface UrlRules {
  /** Why a step may not call this address, as a sentence, or null. */
  readonly urlProblem: (url: string) => string | null;
}

/** The rules of one workspace: the operator's list and those of its organisation. */
export type UrlRulesOf = (workspaceId: string) => Promise<UrlRules>;

/** What an organisation lets its steps call. */
export interface EgressListService {
  readonly get: (tenantId: string) => Promise<EgressLists>;
  readonly replace: (tenantId: string, lists: EgressLists) => Promise<EgressLists>;
}

export interface EgressListDeps {
  readonly db: Database;
  readonly limits: TenantLimits;
}

export const createEgressListService = ({ db, limits }: EgressListDeps): EgressListService => ({
  get: async (tenantId) => {
    const lists = await readEgressLists(db, tenantId);
    if (lists === undefined) throw notFound('organisation', tenantId);
    return lists;
  },
  replace: async (tenantId, lists) => {
    const problems = [...problemsOf('allow', lists.allow), ...problemsOf('deny', lists.deny)];
    if (problems.length > 0) throw invalid(problems);
    const written = { allow: unique(lists.allow), deny: unique(lists.deny) };
    if (!(await writeEgressLists(db, tenantId, written))) throw notFound('organisation', tenantId);
    limits.clear();
    return written;
  },
});

export const createUrlRules =
  (limits: TenantLimits, allow: readonly EgressRule[]): UrlRulesOf =>
  async (workspaceId) => {
    const own = await limits.of(workspaceId);
    return { urlProblem: (url) => egressProblem(url, allow, own) };
  };

const unique = (entries: readonly string[]): readonly string[] => [...new Set(entries)];

const problemsOf = (field: keyof EgressLists, entries: readonly string[]): readonly ErrorDetail[] =>
  entries.flatMap((entry, at): readonly ErrorDetail[] => {
    const problem = ruleProblem(entry);
    if (problem === null) return [];
    const message = `"${entry}" ${problem}; write a host, host:port, an address or a CIDR such as 203.0.113.0/24`;
    return [{ field: `${field}.${at}`, loc: ['body', field, at], message }];
  });

function ruleProblem(entry: string): string | null {
  try {
    parseEgressRule(entry);
    return null;
  } catch (error) {
    if (error instanceof RuleProblem) return error.message;
    throw error;
  }
}
