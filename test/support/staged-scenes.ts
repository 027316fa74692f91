import { inline } from '../../workflows/definition/values.js';
import { toEnd, type Scene } from './play.js';
import { stagedPlan } from './staged.js';

/** A staged workflow with everything it can hold: guards of both kinds, mappers, reducers, a stage in which nothing runs. */
const everything = stagedPlan({
  stages: [
    {
      name: 'line',
      steps: [
        { name: 'one', agent_key: 'ana', input_mapper: 'say {{ input }}' },
        { name: 'skipped', agent_key: 'ben', guard: 'input == "nothing"' },
        { name: 'two', agent_key: 'cleo', guard: 'steps.skipped == null' },
      ],
    },
    {
      name: 'fan',
      mode: 'parallel',
      reducer: 'join_sections',
      steps: [
        { name: 'left', agent_key: 'ana' },
        { name: 'middle', agent_key: 'ben', guard: 'false' },
        { name: 'right', agent_key: 'cleo', input_mapper: { $expr: 'text + "!"' } },
      ],
    },
    { name: 'none', mode: 'parallel', steps: [{ name: 'never', agent_key: 'ana', guard: 'false' }] },
    { name: 'end', steps: [{ name: 'last', agent_key: 'ben' }] },
  ],
});

export const stagedScenes: Readonly<Record<string, Scene>> = {
  staged: { plan: everything, input: { input: inline({ message: 'hello' }) }, act: toEnd },
};
