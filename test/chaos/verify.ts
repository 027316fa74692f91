import { readRows, type Evidence } from './evidence.js';
import { INBOUND } from './hooks.js';
import { chainViolations } from './verify-chains.js';
import { eventViolations } from './verify-events.js';
import { graphViolations } from './verify-graphs.js';
import { hookViolations } from './verify-hooks.js';
import { logViolations } from './verify-log.js';
import { temporalViolations } from './verify-temporal.js';

/** Everything that is not as it must be, one sentence each. */
export async function violationsOf(evidence: Evidence): Promise<readonly string[]> {
  const rows = await readRows(evidence.platform.databaseUrl);
  const { ledger, graphs, sink } = evidence;
  const chains = rows.runs.filter(({ kind }) => kind === 'chain');
  return [
    ...ledger.surprises,
    ...graphs.surprises,
    ...sink.complaints,
    ...(await chainViolations(evidence, chains)),
    // what a webhook began is looked at with the webhooks
    ...graphViolations(
      evidence,
      rows.runs.filter(({ slug }) => slug !== INBOUND),
    ),
    ...eventViolations(evidence, rows),
    ...hookViolations(evidence, rows),
    ...logViolations(evidence, rows.runs),
    ...(await temporalViolations(evidence, rows.runs)),
  ];
}
