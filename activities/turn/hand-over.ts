import type { AgentTurnConfig } from '../../workflows/definition/agents/agent-turn.js';
import { evaluateExpr, ExpressionError, type Names } from '../../workflows/definition/expressions.js';
import type { Outcome } from './board.js';

/** The first agent whose conditions all hold as the turn ended. */
export function handoffByConditions({ handoffs }: AgentTurnConfig, names: Names): Outcome | null {
  const due = handoffs.find(
    ({ conditions }) => conditions.length > 0 && conditions.every((each) => holds(each, names)),
  );
  return due === undefined ? null : { outcome: 'handoff', target: due.node, reason: null };
}

/** What cannot be told yet, because a value it compares is missing, does not hold. */
function holds(condition: string, names: Names): boolean {
  try {
    return evaluateExpr(condition, names) === true;
  } catch (error) {
    if (error instanceof ExpressionError) return false;
    throw error;
  }
}
