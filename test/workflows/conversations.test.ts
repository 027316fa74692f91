import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { takeTurn, type Turn } from '../../workflows/contract/messages.js';
import { inline } from '../../workflows/definition/values.js';
import { talkPlan } from '../support/graph-scenes.js';
import { openStage, type Stage } from '../support/play.js';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
}, 120_000);
afterAll(() => stage.close());

test('lose no message and hear none twice while they change hands', async () => {
  const turns: Turn[] = [];
  await stage.play({
    plan: talkPlan,
    input: { isConversation: true, input: inline({ name: 'Ana' }), maxHistoryEvents: 12 },
    act: async ({ handle }) => {
      const texts = [null, 'one', 'two', 'three', 'two', 'and bye'];
      for (const [index, text] of texts.entries()) {
        const id = `turn-${index === 4 ? 2 : index}`;
        const message = text === null ? null : inline({ text });
        let turn: Turn;
        do turn = await handle.executeUpdate(takeTurn, { args: [{ message, text, id }] });
        while (!turn.isOver);
        turns.push(turn);
      }
      await handle.result().catch(() => undefined);
    },
  });
  const said = turns.map((turn) => turn.said.map(({ text }) => text));
  expect(said.slice(0, 5)).toEqual([['Hello'], ['root done'], ['root done'], ['root done'], ['root done']]);
  expect(said[5]).toEqual(['root done', 'Goodbye, and bye']);
  expect(turns[0]?.vars).toEqual({ name: inline('Ana') });
});
