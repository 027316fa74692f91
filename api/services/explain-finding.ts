import type { Json } from '../../workflows/definition/values.js';
import type { Facts } from './explain-facts.js';
import type { ExplainKey, Params } from './explain-words.js';

export interface Action {
  readonly method: 'POST';
  readonly path: string;
  readonly body?: Json;
}

/** What the facts come to; `child` is to be explained as well, and put into the parameters. */
export interface Finding {
  readonly key: ExplainKey;
  readonly params: Params;
  readonly waitingFor: Params | null;
  readonly action: Action | null;
  readonly child?: string;
}

/** Looks at facts and has a say, or leaves it to the next. */
export type Rule = (facts: Facts) => Finding | null;

export const post = ({ run }: Facts, path: string, body?: Json): Action => ({
  method: 'POST',
  path: `/v1/runs/${run.id}${path}`,
  ...(body === undefined ? {} : { body }),
});

export const secondsSince = ({ now }: Facts, at: Date | null): number =>
  at === null ? 0 : Math.max(0, Math.round((now.getTime() - at.getTime()) / 1000));

export const iso = (at: Date | null | undefined): string | null => at?.toISOString() ?? null;

function labelOf({ plan, openSteps }: Facts, nodeId: string): string {
  const step = openSteps.find((each) => each.node_id === nodeId);
  return step?.label ?? plan?.nodes[nodeId]?.label ?? nodeId;
}

export const whereOf = (facts: Facts, nodeId: string): Params => ({ node_id: nodeId, label: labelOf(facts, nodeId) });

/** Steps under way besides one. */
export const othersThan = ({ openSteps }: Facts, nodeId: string): Params => ({
  others: openSteps.filter((step) => step.node_id !== nodeId).length,
});
