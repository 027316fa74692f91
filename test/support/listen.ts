import { ApplicationFailure } from '@temporalio/activity';
import type { RunActivities, RunSegmentInput } from '../../workflows/contract/activities.js';
import { Failure } from '../../workflows/contract/failures.js';
import type { Flush, ReusedStep } from '../../workflows/contract/run.js';
import { inline } from '../../workflows/definition/values.js';
import type { Heard } from './play.js';

export const childId = (runId: string, key: string, round = 0): string =>
  `${runId}-${key.replaceAll('/', '-')}${round > 0 ? `-${round}` : ''}`;

interface Behaviour {
  readonly mended: readonly string[];
  readonly reuse: Readonly<Record<string, ReusedStep>>;
}

/**
 * Activities that answer at once; a node whose id begins with `bad` fails for good, and of one that begins with
 * `unknown` nobody knows whether it happened.
 */
export function listen(heard: Heard, { mended, reuse }: Behaviour): RunActivities {
  const note = (flush: Flush): void => void heard.flushes.push(flush);
  return {
    runSegment: async (input: RunSegmentInput) => {
      note(input.flush);
      heard.segments.push(input.steps.map((step) => step.key));
      heard.steps.push(...input.steps);
      heard.inputs[input.steps[0]?.key ?? ''] = input.input;
      const bad = input.steps.findIndex(
        ({ node: { id }, round }) => /^(bad|unknown)/.test(id) && (round === 0 || !mended.includes(id)),
      );
      const outputs = input.steps.map((step) => inline(`${step.node.id} done`));
      if (bad >= 0) {
        const isUnknown = input.steps[bad]?.node.id.startsWith('unknown') === true;
        const type = isUnknown ? 'outcome_unknown' : 'http_status';
        const details = { outputs: outputs.slice(0, bad), error: { type, message: 'answered 400' } };
        throw ApplicationFailure.nonRetryable('answered 400', Failure.nodeFailed, details);
      }
      if (input.finishes) heard.end = { status: 'completed', output: outputs.at(-1) ?? inline(null) };
      return { outputs };
    },
    openWait: async ({ wait, flush }) => {
      note(flush);
      heard.waits.push(wait.token);
      return {};
    },
    alarmWait: async ({ wait, isEscalation }) => {
      heard.alarms.push({ token: wait.token, audience: wait.audience ?? [], isEscalation });
    },
    recordTransitions: async ({ flush }) => note(flush),
    finishRun: async ({ flush, end }) => {
      note(flush);
      heard.ends.push(end);
      heard.end = end;
    },
    loadPlan: async ({ versionId }) => {
      const plan = heard.definitions[versionId];
      if (plan === undefined) throw new Error(`there is no version ${versionId} here`);
      return plan;
    },
    loadReuse: async () => ({ steps: reuse, next: null }),
    matchConditions: async ({ conditions }) => conditions.map(() => true),
    evaluate: async () => {
      throw new Error('every value is small here');
    },
    checkOutput: async () => null,
    prepareChild: async ({ run, key, round, definition, depth, input }) => {
      const plan = heard.definitions[definition];
      if (plan === undefined) return { error: { type: 'subflow_missing', message: `no ${definition}` } };
      const child = { workspaceId: run.workspaceId, runId: childId(run.runId, key, round) };
      heard.children.push(child.runId);
      return { child: { run: child, source: { plan }, input, depth: depth + 1 } };
    },
    loadEnd: async () => null,
    storeText: async ({ text }) => {
      heard.texts.push(text);
      return { ref: String(heard.texts.length - 1), bytes: text.length };
    },
    loadText: async ({ value }) => ('ref' in value ? (heard.texts[Number(value.ref)] ?? '') : ''),
    recordVersion: async ({ versionId }) => void heard.versions.push(versionId),
    nextCronTime: async ({ after }) => after + 60_000,
  };
}
