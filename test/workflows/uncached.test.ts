import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { allScenes } from '../support/all-scenes.js';
import { openStage, type Stage } from '../support/play.js';

/** Every scene once more on a worker that keeps no run in memory: each task replays the whole history. */

let stage: Stage;
beforeAll(async () => {
  stage = await openStage({ maxCachedWorkflows: 0 });
}, 120_000);
afterAll(() => stage.close());

test.each(Object.entries(allScenes))('%s', async (_, scene) => {
  const heard = await stage.play(scene);
  const rounds = heard.steps.map(({ key, round }) => `${key}#${round}`);
  const bySubflows = heard.children.length > 0;
  if (!bySubflows) expect(new Set(rounds).size).toBe(rounds.length);
});
