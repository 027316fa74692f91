import { Context } from '@temporalio/activity';
import { WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import type { RunActivities, SegmentStep } from '../../workflows/contract/activities.js';
import { runView, type ResolveWait } from '../../workflows/contract/messages.js';
import type { Flush, ReusedStep, RunInput } from '../../workflows/contract/run.js';
import type { Plan } from '../../workflows/definition/plan.js';
import { inline, type Value } from '../../workflows/definition/values.js';
import type { RunEnd } from '../../workflows/engine/state.js';
import type { run } from '../../workflows/run.js';
import { childId, listen } from './listen.js';
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
  /** What the scene keeps for whoever looks at it. */
  readonly notes: unknown[];
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
  /** So many seconds go by. */
  readonly pass: (seconds: number) => Promise<void>;
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
  /** `look` sees the run when all is over. */
  readonly play: (scene: Scene, look?: (played: Played) => Promise<void>) => Promise<Heard>;
  readonly close: () => Promise<void>;
}

/** A scene that hangs fails. */
const SCENE_LIMIT_MS = 25_000;

/**
 * The `run` workflow on the time-skipping server, with activities that only listen. A scene that hung, or in which runs
 * started others, may hold the server's clock for ever: those after it are played on another.
 */
export async function openStage(defaults: Pick<Scene, 'maxCachedWorkflows'> = {}): Promise<Stage> {
  const workflowBundle = await bundleWorkflows();
  let environment: TestWorkflowEnvironment | null = null;
  let sequence = 0;
  const close = async (): Promise<void> => {
    await environment?.teardown();
    environment = null;
  };
  const play: Stage['play'] = async (scene, look) => {
    sequence += 1;
    environment ??= await timeSkippingEnvironment();
    const of = { scene: { ...defaults, ...scene }, runId: `run_${sequence}`, taskQueue: `queue-${sequence}` };
    let isClean = false;
    try {
      const heard = await playOne({ environment, workflowBundle }, of, look);
      isClean = heard.children.length === 0;
      return heard;
    } finally {
      if (!isClean) await close();
    }
  };
  return { play, close };
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
    ...{
      segments: [],
      flushes: [],
      waits: [],
      alarms: [],
      versions: [],
      children: [],
      texts: [],
      notes: [],
      end: null,
    },
    ...{ definitions, steps: [], inputs: {}, ends: [] },
  };
  const own = listen(heard, { mended: scene.mended ?? [], reuse: scene.reuse ?? {} });
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    ...{ taskQueue, workflowBundle },
    activities: { ...own, ...scene.activities?.(own, heard) },
    maxHeartbeatThrottleInterval: '50 milliseconds',
    ...(maxCachedWorkflows === undefined ? {} : { maxCachedWorkflows }),
  });
  await worker.runUntil(async () => {
    const { workflow } = environment.client;
    const handle = await workflow.start<typeof run>('run', {
      ...{ workflowId: workflowIdOf(runId), taskQueue },
      args: [{ run: { workspaceId: 'ws', runId }, source: { plan }, input: inline('in'), ...input }],
    });
    const childOf = (key: string) => workflow.getHandle<typeof run>(workflowIdOf(childId(runId, key)));
    const pass = (seconds: number): Promise<void> => environment.sleep(seconds * 1_000);
    const played = { heard, handle, runId, childOf, pass };
    try {
      await limited(begun(played), handle);
      await limited(scene.act(played), handle);
      await limited(allEnded(environment, heard), handle);
    } finally {
      await terminateAll(environment, [runId, ...heard.children]);
    }
    await look?.(played);
  });
  return heard;
}

/** Waits are open once the first task is over: a scene may then decide on them at once. */
async function begun({ handle }: Played): Promise<void> {
  await handle.query(runView);
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

async function limited(work: Promise<void>, handle: Played['handle']): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), SCENE_LIMIT_MS);
  });
  try {
    if ((await Promise.race([work, late])) === 'late') throw new Error(`The scene hangs. ${await mistakeIn(handle)}`);
  } finally {
    clearTimeout(timer);
  }
}

/** A mistake in the interpreter fails its task, again and again. */
async function mistakeIn(handle: Played['handle']): Promise<string> {
  const { events = [] } = await handle.fetchHistory();
  const failed = events?.findLast(
    (event) => event.workflowTaskFailedEventAttributes,
  )?.workflowTaskFailedEventAttributes;
  const last = events?.slice(-8).map((event) => Object.keys(event).find((key) => key.endsWith('EventAttributes')));
  return `${failed?.failure?.message ?? 'No task of it failed.'} It ended with ${last?.join(', ')}.`;
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

/** Says it again while the run is moving to its next execution. */
export async function insist<T>(say: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await say();
    } catch (error) {
      if (tries === 200) throw error;
    }
  }
}

/** For activities that are to be at work while something happens: until it has. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) {
    Context.current().heartbeat();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** For effects that nobody can stop: they end after they were told to. */
export const untilCancelled = (): Promise<void> => {
  const { cancellationSignal } = Context.current();
  return until(() => cancellationSignal.aborted);
};

/** Some steps end only when they are told to stop, and then they have happened all the same. */
export const unstoppable =
  (...ids: readonly string[]): NonNullable<Scene['activities']> =>
  (own) => ({
    runSegment: async (input) => {
      const done = await own.runSegment(input);
      if (input.steps.some((step) => ids.includes(step.node.id))) await untilCancelled();
      return done;
    },
  });

/** Why an update was refused, or whatever else became of it. */
export const causeOf = async (work: Promise<unknown>): Promise<unknown> => {
  const error: unknown = await work.catch((caught: unknown) => caught);
  return error instanceof WorkflowUpdateFailedError ? error.cause : error;
};

/** The arguments of one decision. */
export const decide = (
  decision: ResolveWait['decision'],
  token: string,
  text: string | null = null,
): { readonly args: [ResolveWait] } => ({
  args: [{ token, decision, value: text === null ? null : inline(text), note: null, by: 'ana' }],
});
