import { condition, defineUpdate, proxyActivities, setHandler } from '@temporalio/workflow';
import type { HandActivities } from './activities.js';

const { first, second, third } = proxyActivities<HandActivities>({
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: '10 seconds',
});

interface Text {
  readonly text: string;
}

/** A message to a conversation written by hand: its answer. */
export const say = defineUpdate<Text, [Text]>('say');
export const leave = defineUpdate('leave');

export type HandWorkflow = 'handWritten' | 'handFan' | 'handMap' | 'handInline';

/** What the chain under test does, as one would write it by hand: three steps, each fed by the one before. */
export async function handWritten(input: Text): Promise<Text> {
  return third(await second(await first(input)));
}

const WIDTH = 18;

/** One, then eighteen at once, then one that is fed by all of them. */
export async function handFan(input: Text): Promise<Text> {
  const begun = await first(input);
  const parts = await Promise.all(Array.from({ length: WIDTH }, () => second(begun)));
  return third({ text: parts.map(({ text }) => text).join(' ') });
}

const ITEMS = 50;
const AT_A_TIME = 10;

/** An activity for each of fifty items, ten at a time; the results in the items' order. */
export async function handMap({ text }: Text): Promise<readonly Text[]> {
  const results: Text[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < ITEMS) {
      const index = next;
      next += 1;
      results[index] = await first({ text: `${text} ${index}` });
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, lane));
  return results;
}

const PAIRS = 25;

/** Assignments and branches, and nothing to wait for. */
export function handInline(): Promise<{ readonly count: number }> {
  const vars = { count: 0 };
  for (let pair = 0; pair < PAIRS; pair += 1) {
    if (vars.count > 100) break;
    vars.count += 1;
  }
  return Promise.resolve(vars);
}

/** A conversation that keeps no records: each turn is one activity. */
export async function handTalk(): Promise<void> {
  let isOver = false;
  setHandler(say, (message) => first(message));
  setHandler(leave, () => void (isOver = true));
  await condition(() => isOver);
}
