import { ApplicationFailure } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import type { RunActivities, RunSegmentInput, SegmentStep } from '../../workflows/contract/activities.js';
import { Failure } from '../../workflows/contract/failures.js';
import type { ResolveWait } from '../../workflows/contract/messages.js';
import type { Flush, ReusedStep, RunInput } from '../../workflows/contract/run.js';
import type { Plan } from '../../workflows/definition/plan.js';
import { inline, type Value } from '../../workflows/definition/values.js';
import type { RunEnd } from '../../workflows/engine/state.js';
import type { run } from '../../workflows/run.js';
import { bundleWorkflows, timeSkippingEnvironment } from './temporal.js';

/** What the run told the outside, as the activities heard it. */
export interface Heard {
  readonly segments: string[][];
  readonly flushes: Flush[];
  readonly waits: string[];
  readonly alarms: { readonly token: string; readonly audience: readonly string[]; readonly isEscalation: boolean }[];
  readonly versions: string[];
  /** What subflows run, and what other versions are, by id. */
  readonly definitions: Readonly<Record<string, Plan>>;
  /** The steps that were executed, in order, and the input of each segment's first, by key. */
  readonly steps: SegmentStep[];
  readonly inputs: Record<string, Value>;
  /** Ends of all runs, children included. */
  readonly ends: RunEnd[];
  end: RunEnd | null;
}

export interface Played {
  readonly heard: Heard;
  readonly handle: WorkflowHandle<typeof run>;
  readonly runId: string;
  /** Sees a run started by a subflow to its end. */
  readonly childEnds: (key: string) => Promise<void>;
}

export interface Scene {
  readonly plan: Plan;
  /** Moves the run and sees it to its end. */
  readonly act: (played: Played) => Promise<void>;
  readonly input?: Partial<RunInput>;
  readonly definitions?: Readonly<Record<string, Plan>>;
  readonly maxCachedWorkflows?: number;
  /** Nodes that fail only before they are started anew. */
  readonly mended?: readonly string[];
  readonly reuse?: Readonly<Record<string, ReusedStep>>;
}

export interface Stage {
  readonly environment: TestWorkflowEnvironment;
  readonly play: (scene: Scene) => Promise<Heard>;
  readonly close: () => Promise<void>;
}

/** The `run` workflow on the time-skipping server, with activities that only listen. */
export async function openStage(): Promise<Stage> {
  const environment = await timeSkippingEnvironment();
  const bundle = await bundleWorkflows();
  let sequence = 0;
  const play = async ({
    plan,
    act,
    input,
    maxCachedWorkflows,
    definitions = {},
    mended = [],
    reuse = {},
  }: Scene): Promise<Heard> => {
    sequence += 1;
    const runId = `run_${sequence}`;
    const taskQueue = `queue-${sequence}`;
    const heard: Heard = {
      ...{ segments: [], flushes: [], waits: [], alarms: [], versions: [], end: null },
      ...{ definitions, steps: [], inputs: {}, ends: [] },
    };
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue,
      workflowBundle: bundle,
      activities: listen(heard, { mended, reuse }),
      ...(maxCachedWorkflows === undefined ? {} : { maxCachedWorkflows }),
    });
    await worker.runUntil(async () => {
      const handle = await environment.client.workflow.start<typeof run>('run', {
        workflowId: `run/ws/${runId}`,
        taskQueue,
        args: [{ run: { workspaceId: 'ws', runId }, source: { plan }, input: inline('in'), ...input }],
      });
      const childEnds = async (key: string): Promise<void> => {
        await environment.client.workflow.getHandle(`run/ws/${childId(runId, key)}`).result();
      };
      await act({ heard, handle, runId, childEnds });
    });
    return heard;
  };
  return { environment, play, close: () => environment.teardown() };
}

export const toEnd = async ({ handle }: Played): Promise<void> => {
  await handle.result();
};

export const toFailure = async ({ handle }: Played): Promise<void> => {
  await handle.result().then(
    () => Promise.reject(new Error('the run was to fail')),
    () => undefined,
  );
};

/** The arguments of one decision. */
export const decide = (
  decision: ResolveWait['decision'],
  token: string,
  text: string | null = null,
): { readonly args: [ResolveWait] } => ({
  args: [{ token, decision, value: text === null ? null : inline(text), note: null, by: 'ana' }],
});

const childId = (runId: string, key: string): string => `${runId}-${key.replaceAll('/', '-')}`;

interface Behaviour {
  readonly mended: readonly string[];
  readonly reuse: Readonly<Record<string, ReusedStep>>;
}

/**
 * Activities that answer at once; a node whose id begins with `bad` fails for good, and of one that begins with
 * `unknown` nobody knows whether it happened.
 */
function listen(heard: Heard, { mended, reuse }: Behaviour): RunActivities {
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
    loadReuse: async () => reuse,
    matchConditions: async ({ conditions }) => conditions.map(() => true),
    evaluate: async () => {
      throw new Error('every value is small here');
    },
    checkOutput: async () => null,
    prepareChild: async ({ run, key, definition, depth, input }) => {
      const plan = heard.definitions[definition];
      if (plan === undefined) return { error: { type: 'subflow_missing', message: `no ${definition}` } };
      const child = { workspaceId: run.workspaceId, runId: childId(run.runId, key) };
      return { child: { run: child, source: { plan }, input, depth: depth + 1 } };
    },
    recordVersion: async ({ versionId }) => void heard.versions.push(versionId),
    nextCronTime: async ({ after }) => after + 60_000,
  };
}
