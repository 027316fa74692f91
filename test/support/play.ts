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
  /** Runs that subflows started. */
  readonly children: string[];
  /** Pieces of states that were too large to travel. */
  readonly texts: string[];
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
  /** The run that the subflow of this visit started. */
  readonly childOf: (key: string) => WorkflowHandle<typeof run>;
}

export interface Scene {
  readonly plan: Plan;
  /** Moves the run and sees it to its end. */
  readonly act: (played: Played) => Promise<void>;
  readonly input?: Partial<RunInput>;
  readonly definitions?: Readonly<Record<string, Plan>>;
  readonly maxCachedWorkflows?: number;
  /** Instead of the activities that only listen. */
  readonly activities?: (own: RunActivities, heard: Heard) => Partial<RunActivities>;
  /** Nodes that fail only before they are started anew. */
  readonly mended?: readonly string[];
  readonly reuse?: Readonly<Record<string, ReusedStep>>;
}

export interface Stage {
  readonly environment: TestWorkflowEnvironment;
  /** `look` sees the run when all is over. */
  readonly play: (scene: Scene, look?: (played: Played) => Promise<void>) => Promise<Heard>;
  readonly close: () => Promise<void>;
}

/** A scene that hangs is ended and fails, and the ones after it are played all the same. */
const SCENE_LIMIT_MS = 25_000;

/** The `run` workflow on the time-skipping server, with activities that only listen. */
export async function openStage(defaults: Pick<Scene, 'maxCachedWorkflows'> = {}): Promise<Stage> {
  const environment = await timeSkippingEnvironment();
  const workflowBundle = await bundleWorkflows();
  let sequence = 0;
  const play: Stage['play'] = async (scene, look) => {
    sequence += 1;
    const of = { scene: { ...defaults, ...scene }, runId: `run_${sequence}`, taskQueue: `queue-${sequence}` };
    return playOne({ environment, workflowBundle }, of, look);
  };
  return { environment, play, close: () => environment.teardown() };
}

interface Place {
  readonly environment: TestWorkflowEnvironment;
  readonly workflowBundle: { readonly codePath: string };
}

interface Playing {
  readonly scene: Scene;
  readonly runId: string;
  readonly taskQueue: string;
}

async function playOne(
  { environment, workflowBundle }: Place,
  { scene, runId, taskQueue }: Playing,
  look?: (played: Played) => Promise<void>,
): Promise<Heard> {
  const { plan, input, maxCachedWorkflows, definitions = {} } = scene;
  const heard: Heard = {
    ...{ segments: [], flushes: [], waits: [], alarms: [], versions: [], children: [], texts: [], end: null },
    ...{ definitions, steps: [], inputs: {}, ends: [] },
  };
  const own = listen(heard, { mended: scene.mended ?? [], reuse: scene.reuse ?? {} });
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    ...{ taskQueue, workflowBundle },
    activities: { ...own, ...scene.activities?.(own, heard) },
    ...(maxCachedWorkflows === undefined ? {} : { maxCachedWorkflows }),
  });
  await worker.runUntil(async () => {
    const { workflow } = environment.client;
    const handle = await workflow.start<typeof run>('run', {
      ...{ workflowId: workflowIdOf(runId), taskQueue },
      args: [{ run: { workspaceId: 'ws', runId }, source: { plan }, input: inline('in'), ...input }],
    });
    const childOf = (key: string) => workflow.getHandle<typeof run>(workflowIdOf(childId(runId, key)));
    const played = { heard, handle, runId, childOf };
    try {
      await limited(scene.act(played));
      await limited(allEnded(environment, heard));
    } finally {
      await terminateAll(environment, [runId, ...heard.children]);
    }
    await look?.(played);
  });
  return heard;
}

const workflowIdOf = (runId: string): string => `run/ws/${runId}`;

/** What stays open holds the clock of every later scene. */
async function allEnded({ client }: TestWorkflowEnvironment, { children }: Heard): Promise<void> {
  for (const runId of children) {
    await client.workflow
      .getHandle(workflowIdOf(runId))
      .result()
      .catch(() => undefined);
  }
}

async function terminateAll({ client }: TestWorkflowEnvironment, runIds: readonly string[]): Promise<void> {
  for (const runId of runIds) {
    await client.workflow
      .getHandle(workflowIdOf(runId))
      .terminate('the scene is over')
      .catch(() => undefined);
  }
}

async function limited(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the scene hangs')), SCENE_LIMIT_MS);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
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

const childId = (runId: string, key: string, round = 0): string =>
  `${runId}-${key.replaceAll('/', '-')}${round > 0 ? `-${round}` : ''}`;

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
