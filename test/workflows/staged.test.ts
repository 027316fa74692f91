import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { inline } from '../../workflows/definition/values.js';
import { openStage, type Stage } from '../support/play.js';
import { stagedScenes } from '../support/staged-scenes.js';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
}, 60_000);
afterAll(() => stage.close());

test('the interpreter runs what a staged plan says', async () => {
  const { staged } = stagedScenes;
  if (staged === undefined) throw new Error('the scene is there');
  const heard = await stage.play(staged);
  const keys = heard.steps.map(({ key }) => key);
  // what goes side by side is heard in any order
  expect([...keys.slice(0, 2), ...keys.slice(2, 4).toSorted(), ...keys.slice(4)]).toEqual([
    ...['one/1', 'two/1', 'left/1', 'right/1', 'last/1'],
  ]);
  expect(heard.inputs).toEqual({
    'one/1': inline('say hello'),
    'two/1': inline('one done'),
    'left/1': inline('two done'),
    'right/1': inline('two done!'),
    'last/1': inline('left done\n\n---\n\nright done'),
  });
  expect(heard.end).toEqual({ status: 'completed', output: inline('last done') });
});
