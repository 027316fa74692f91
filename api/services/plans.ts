/** What each plan is meant for: a month of one workspace; null is as much as it likes. Shown, not enforced. */
export interface PlanLimits {
  readonly runs: number | null;
  readonly steps: number | null;
  readonly tokens: number | null;
  readonly messages: number | null;
  readonly minutes: number | null;
  readonly seats: number | null;
}

const unlimited: PlanLimits = { runs: null, steps: null, tokens: null, messages: null, minutes: null, seats: null };

const plans: Readonly<Record<string, PlanLimits>> = {
  FREE: { runs: 1_000, steps: 20_000, tokens: 1_000_000, messages: 2_000, minutes: 1_000, seats: 3 },
  STARTER: { runs: 10_000, steps: 200_000, tokens: 10_000_000, messages: 20_000, minutes: 10_000, seats: 10 },
  PRO: { runs: 100_000, steps: 2_000_000, tokens: 100_000_000, messages: 200_000, minutes: 100_000, seats: 50 },
  ENTERPRISE: unlimited,
};

/** A plan of a name of the operator's own has no limits. */
export const limitsOf = (plan: string): PlanLimits =>
  Object.hasOwn(plans, plan) ? (plans[plan] ?? unlimited) : unlimited;
