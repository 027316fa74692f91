import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { waitToken } from '../../workflows/contract/ids.js';
import { resolveWait, type Turn } from '../../workflows/contract/messages.js';
import { jsonOf, type Json, type Value } from '../../workflows/definition/values.js';
import { callScenes, hangUp, sayTo } from '../support/call-scenes.js';
import {
  causeOf,
  decide,
  insist,
  openStage,
  type Heard,
  type Played,
  type Scene,
  type Stage,
} from '../support/play.js';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
}, 120_000);
afterAll(() => stage.close());

const scene = (name: string): Scene => {
  const found = callScenes[name];
  if (found === undefined) throw new Error(`no scene ${name}`);
  return found;
};

const outputOf = ({ end }: Heard): Json | undefined =>
  end?.status === 'completed' ? jsonOf(end.output as Value) : undefined; // -- reason: a completed run has one

/** The visit that a wait's token names. */
const placeOf = (token: string): string => token.replace(/^apr_[^_]*_/, '').replace('~', '/');

/** The turns of a talk, as its client hears them. */
async function turnsOf(name: string, texts: readonly (string | null)[], more: Partial<Scene> = {}) {
  const turns: Turn[] = [];
  const act = async (played: Played): Promise<void> => {
    for (const text of texts) {
      let turn = await sayTo(played, text);
      const said = [...turn.said];
      while (!turn.isOver) turn = await insist(() => sayTo(played, null));
      turns.push(turn.said.length >= said.length ? turn : { ...turn, said });
    }
    await played.handle.result();
  };
  const heard = await stage.play({ ...scene(name), act, ...more });
  return { heard, turns, said: turns.map((turn) => turn.said.map(({ text }) => text)) };
}

test('an agent greets, stays, hands over to one who greets, and ends the call', async () => {
  const { heard, said, turns } = await turnsOf('call-ended', [null, 'hello', 'again', 'to booking', 'bye']);
  expect(said).toEqual([
    ['desk here'],
    ['desk heard: hello'],
    ['desk heard: again'],
    ['desk heard: to booking', 'Booking for Ana, ACME'],
    ['booking heard: bye'],
  ]);
  expect(turns.map(({ activeNode, status }) => [activeNode, status])).toEqual([
    ...['desk.listen', 'desk.listen', 'desk.listen', 'booking.listen'].map((node) => [node, 'waiting']),
    [null, 'completed'],
  ]);
  expect(outputOf(heard)).toEqual({ status: 'completed', reason: 'said goodbye' });
  expect(heard.segments.flat()).toEqual(['desk/1', 'desk/2', 'desk/3', 'booking/1']);
});

test('one without a greeting answers the message that it was handed', async () => {
  const { said, turns } = await turnsOf('call-handed-on', [null, 'to check', 'bye']);
  expect(said[1]).toEqual(['desk heard: to check', 'check heard: to check']);
  expect(turns[1]?.activeNode).toBe('check.listen');
});

test('a node whose condition holds is passed over', async () => {
  const { said, turns } = await turnsOf('call-skips', [null, 'flag verified', 'to check', 'bye']);
  expect(said[2]).toEqual(['desk heard: to check', 'billing heard: to check']);
  expect(turns[2]?.activeNode).toBe('billing.listen');
});

test('a skipped last node ends the call', async () => {
  const { heard, said } = await turnsOf('call-skips-to-its-end', [null, 'flag no_bye', 'to bye']);
  expect(said[2]).toEqual(['desk heard: to bye']);
  expect(outputOf(heard)).toEqual({ status: 'completed', reason: 'completed' });
});

test('where the first node is skipped, the next one listens before it speaks', async () => {
  const { said, turns } = await turnsOf('call-skips-first', [null, 'hello', 'bye']);
  expect(said).toEqual([[], ['billing heard: hello'], ['billing heard: bye']]);
  expect(turns[0]?.activeNode).toBe('billing.listen');
});

test('silence ends it', async () => {
  const heard = await stage.play(scene('call-silent'));
  expect(outputOf(heard)).toEqual({ status: 'timeout', reason: 'silence' });
});

test('hanging up ends it while somebody listens and while an agent is at work', async () => {
  expect(outputOf(await stage.play(scene('call-hung-up')))).toEqual({ status: 'disconnected', reason: 'user left' });
  const heard = await stage.play(scene('call-hung-up-at-work'));
  expect(outputOf(heard)).toEqual({ status: 'disconnected', reason: 'hangup' });
});

test('nobody but its user moves it by a decision, and a call that was hung up hears nothing more', async () => {
  await stage.play({
    ...scene('call-hung-up'),
    act: async (played) => {
      await sayTo(played, null);
      const token = waitToken(played.runId, 'hangup/1');
      const refused = await causeOf(played.handle.executeUpdate(resolveWait, decide('approve', token)));
      expect(refused).toMatchObject({ message: 'This run has no such wait.' });
      await hangUp(played);
      await played.handle.result();
      expect(await causeOf(sayTo(played, 'hello?'))).toBeInstanceOf(Error);
    },
  });
});

test('no turn is lost where a call continues as new', async () => {
  const texts = [null, 'one', 'two', 'to booking', 'three', 'bye'];
  const { heard, said } = await turnsOf('call-continued-as-new', texts);
  expect(said.slice(1).flat()).toEqual([
    ...['desk heard: one', 'desk heard: two', 'desk heard: to booking', 'Booking for Ana, ACME'],
    ...['booking heard: three', 'booking heard: bye'],
  ]);
  expect(outputOf(heard)).toEqual({ status: 'completed', reason: 'said goodbye' });
});

test('a turn after which its agent listens opens the next wait itself, and the others do not', async () => {
  const texts = [null, 'hello', 'again', 'to booking', 'one', 'two', 'bye'];
  const { heard, said, turns } = await turnsOf('call-opened', texts);
  expect(said.slice(1, 3)).toEqual([['desk heard: hello'], ['desk heard: again']]);
  expect(turns.map(({ activeNode, status }) => [activeNode, status])).toEqual([
    ...['desk', 'desk', 'desk', 'booking', 'booking', 'booking'].map((node) => [`${node}.listen`, 'waiting']),
    [null, 'completed'],
  ]);
  // each wait once, whoever opened it
  const keys = [
    'hangup/1',
    ...[1, 2, 3].map((n) => `desk.listen/${n}`),
    ...[1, 2, 3].map((n) => `booking.listen/${n}`),
  ];
  expect(heard.waits.map(placeOf).toSorted()).toEqual(keys.toSorted());
  // what the activity wrote is not written again: nothing is told between a turn and the next message
  const told = heard.flushes.flatMap(({ steps }) => steps.map(({ key, status }) => `${key} ${status}`));
  expect(told.filter((each) => each.startsWith('desk.listen/2'))).toEqual(['desk.listen/2 completed']);
});

test.each([
  ['silence', 'call-opened-silent', { status: 'timeout', reason: 'silence' }],
  ['hanging up', 'call-opened-hung-up', { status: 'disconnected', reason: 'hangup' }],
])('%s ends a wait that a turn opened', async (_how, name, output) => {
  expect(outputOf(await stage.play(scene(name)))).toEqual(output);
});

test('a wait that was opened in vain is taken back', async () => {
  const heard = await stage.play(scene('call-opened-in-vain'));
  const settled = heard.flushes.flatMap(({ settlements }) =>
    settlements.filter(({ outcome }) => outcome === 'cancelled'),
  );
  // both agents, by handing over and by ending the call; and nobody hangs up any more
  expect(settled.map(({ token }) => placeOf(token))).toEqual(['desk.listen/2', 'booking.listen/2', 'hangup/1']);
  expect(outputOf(heard)).toEqual({ status: 'completed', reason: 'said goodbye' });
});

test('a call that was paused while its agent was at work goes on where the turn left it', async () => {
  const heard = await stage.play(scene('call-opened-paused'));
  expect(outputOf(heard)).toEqual({ status: 'completed', reason: 'said goodbye' });
  expect(heard.waits.filter((token) => token.includes('desk.listen~2'))).toHaveLength(1);
  expect(heard.flushes.map(({ status }) => status).filter((status) => status !== null)).toEqual(
    expect.arrayContaining(['paused']),
  );
});

test('waits that turns opened are carried over where a call continues as new', async () => {
  const texts = [null, 'one', 'two', 'three', 'to booking', 'four', 'bye'];
  const { heard, said } = await turnsOf('call-opened-continued-as-new', texts);
  expect(said.slice(1).flat()).toEqual([
    ...['one', 'two', 'three', 'to booking'].map((text) => `desk heard: ${text}`),
    ...['Booking for Ana, ACME', 'booking heard: four', 'booking heard: bye'],
  ]);
  expect(outputOf(heard)).toEqual({ status: 'completed', reason: 'said goodbye' });
});

test('whoever asks as a call is about to continue as new waits for the agent at work, and asks once more', async () => {
  const said: string[] = [];
  const asked: number[] = [];
  const heard = await stage.play({
    ...scene('call-continued-as-new-at-work'),
    act: async (played) => {
      for (const text of [null, 'slow one', 'slow two', 'slow three', 'bye']) {
        let turn = await sayTo(played, text);
        let asks = 1;
        for (; !turn.isOver; asks += 1) turn = await insist(() => sayTo(played, null));
        asked.push(asks);
        said.push(...turn.said.map((words) => words.text));
      }
      await played.handle.result();
    },
  });
  expect(said).toEqual([
    'desk here',
    ...['slow one', 'slow two', 'slow three', 'bye'].map((text) => `desk heard: ${text}`),
  ]);
  expect(Math.max(...asked)).toBe(2);
  expect(outputOf(heard)).toEqual({ status: 'completed', reason: 'said goodbye' });
});
