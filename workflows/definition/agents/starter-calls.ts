import { frontDesk } from './starter-front-desk.js';
import { supportTriage } from './starter-support.js';
import { survey } from './starter-survey.js';
import type { Starters } from './starters.js';

/** Workflows of agents that a new workspace begins with: a desk with two ways, a diamond, and a line. */
const shipped: readonly Starters[] = [frontDesk, supportTriage, survey];

export const callStarters: Starters = {
  agents: shipped.flatMap(({ agents }) => agents),
  tools: shipped.flatMap(({ tools }) => tools),
  workflows: shipped.flatMap(({ workflows }) => workflows),
};
